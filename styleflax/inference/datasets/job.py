"""Settings and inputs of a stylized data set."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from styleflax.datasets.labeled import LabeledSource, open_labeled
from styleflax.images.decoding import MIN_SIDE_PX
from styleflax.inference.controls import check_alpha, make_plan
from styleflax.inference.datasets.parts import make_features
from styleflax.inference.datasets.program import Paintings, make_style_encoder
from styleflax.methods.model import Model, build_model
from styleflax.weights.store import find_model, load_model, model_digest

ENCODINGS = ("jpeg", "png")
TFDS, IMAGES = "tfds", "images"
FORMATS = (TFDS, IMAGES)
"""Formats of data sets: TFDS, or a folder of images like the source."""
_RECORDED = ("image", "name", "index", "style", "seed", "weights_sha256")
_IN_TABLE = ("file_name", "source", "index", "style", "sha256")


class Settings(NamedTuple):
    """Settings of a stylized data set.

    Attributes:
        content: Source of the images: a folder, or a TFDS data set; see
            `datasets.labeled.open_labeled`.
        style: Folder of paintings, searched recursively.
        weights: Name or file of the model.
        split: Split of a TFDS data set, or name of the split of a folder.
        data_dir: Folder of TFDS data sets; None for TFDS's default.
        alpha: Strength of the styles, from 0 to 1.
        color_match: Strength of the color step, from 0 to 1; None for the model's
            default.
        detail: Share of the photo's lost detail to add, from 0 to 1; None for the
            model's default.
        size_px: Short side of the images and results. The default is 256 for `tfds`,
            and each image's own for `images`.
        crop: Whether to use the center squares, so that one program serves all images;
            the default for `tfds`. Otherwise images run on one device of each process:
            as a batch if a part has one small size, else in windows.
        style_size_px: Side of the squares to which paintings are cropped and resized.
        batch_size: Number of images of a part, which one device processes at a time.
        seed: Seed of the styles. The style of an image depends only on this and its
            number.
        encoding: Encoding of results: `jpeg` (quality 95, full chroma) or `png`. The
            default is `jpeg` for `tfds`, and the source's for `images`.
        num_threads: Number of threads of each process that read and write images.
        classes: Names of all classes in order; None for those of the source.
        format: One of `FORMATS`.
        styles_per_picture: Number of results per image, each in a different style.
    """

    content: str
    style: str
    weights: str = "adain"
    split: str = "train"
    data_dir: str | None = None
    alpha: float = 1.0
    size_px: int | None = None
    crop: bool | None = None
    style_size_px: int = 256
    batch_size: int = 16
    seed: int = 0
    encoding: str | None = None
    num_threads: int = 4
    classes: tuple[str, ...] | None = None
    color_match: float | None = None
    detail: float | None = None
    format: str = TFDS
    styles_per_picture: int = 1

    def completed(self) -> "Settings":
        """Returns the settings with the defaults of their format."""
        is_tfds = self.format == TFDS
        size_px, encoding = (256, "jpeg") if is_tfds else (None, None)
        return self._replace(
            size_px=self.size_px or size_px,
            crop=is_tfds if self.crop is None else self.crop,
            encoding=self.encoding or encoding,
        )


class Job(NamedTuple):
    """Settings with their opened inputs."""

    settings: Settings
    source: LabeledSource
    paintings: Paintings
    model: Model
    weights_sha256: str


def open_job(settings: Settings) -> Job:
    """Returns a job after opening the inputs of its settings.

    Raises:
        FileNotFoundError: If a file or folder is missing.
        ValueError: If a number is out of range, or there is no picture.
    """
    settings = settings.completed()
    _check(settings)
    source = open_labeled(
        settings.content, settings.split, settings.data_dir, settings.classes
    )
    recorded = _RECORDED if settings.format == TFDS else _IN_TABLE
    if taken := sorted(source.classes.keys() & set(recorded)):
        raise ValueError(
            f"the labels {taken} of {settings.content!r} have the names of what is "
            "recorded for every picture"
        )
    if not len(source):
        raise ValueError(f"{settings.content!r} has no image")
    file = load_model(find_model(settings.weights))
    model = build_model(file)
    paintings = Paintings(
        Path(settings.style), settings.style_size_px, make_style_encoder(model)
    )
    if settings.styles_per_picture > len(paintings):
        raise ValueError(
            f"styles_per_picture must be at most the number of paintings, "
            f"{len(paintings)}, got {settings.styles_per_picture}"
        )
    plan = make_plan(1, color_match=settings.color_match, detail=settings.detail)
    plan = plan.completed(file.defaults)
    settings = settings._replace(color_match=plan.color_match, detail=plan.detail)
    return Job(settings, source, paintings, model, model_digest(file))


def describe(job: Job) -> dict[str, Any]:
    """Returns everything that determines the data set, as JSON values."""
    fields = job.settings._asdict()
    for name in ("content", "style", "weights", "split", "data_dir", "num_threads"):
        del fields[name]
    defaults = {"format": TFDS, "styles_per_picture": 1}
    for name, value in defaults.items():  # as settings were before there were any
        if fields[name] == value:
            del fields[name]
    if fields["classes"] is None:
        del fields["classes"]
    else:
        fields["classes"] = list(fields["classes"])
    return {
        **fields,
        "content": f"{job.source.description} ({job.source.split})",
        "style": job.paintings.description,
        "weights_sha256": job.weights_sha256,
    }


def notes_of(job: Job) -> dict[str, Any]:
    """Returns notes for the report on excluded files and empty classes."""
    left_out = [*job.source.left_out, *job.paintings.left_out]
    return {
        "left_out": [{"path": str(p), "reason": reason} for p, reason in left_out],
        "empty_classes": list(job.source.empty_classes),
    }


def parts_folder(out: Path, job: Job) -> Path:
    """Returns the folder of the parts of an unfinished data set.

    It is hidden next to folders of images, because classes may have any other name.
    """
    return out / (".parts" if job.settings.format == IMAGES else "parts")


def count_pictures(job: Job) -> int:
    """Returns the number of results."""
    return len(job.source) * job.settings.styles_per_picture


def count_parts(job: Job) -> int:
    """Returns the number of parts; each is a batch, the last one may be shorter."""
    return math.ceil(count_pictures(job) / job.settings.batch_size)


def part_indices(job: Job, part: int) -> range:
    """Returns the numbers of a part's results, in the order of the source."""
    size = job.settings.batch_size
    return range(part * size, min((part + 1) * size, count_pictures(job)))


def features_of(job: Job) -> Any:
    """Returns the TFDS features of an example."""
    side_px = job.settings.size_px if job.settings.crop else None
    classes: Mapping[str, Sequence[str] | int] = job.source.classes
    return make_features(classes, side_px, job.settings.encoding or "jpeg")


def _check(settings: Settings) -> None:
    check_alpha(settings.alpha)
    for name, share in (
        ("color_match", settings.color_match),
        ("detail", settings.detail),
    ):
        if share is not None:
            check_alpha(share, name)
    lowest = {
        "styles_per_picture": 1,
        "style_size_px": MIN_SIDE_PX,
        "batch_size": 1,
        "seed": 0,
        "num_threads": 1,
    }
    if settings.size_px is not None:
        lowest["size_px"] = MIN_SIDE_PX
    elif settings.crop:
        raise ValueError("crop (--crop) needs a size: give size_px (--size)")
    for name, least in lowest.items():
        if (value := getattr(settings, name)) < least:
            raise ValueError(f"{name} must be at least {least}, got {value}")
    if settings.format not in FORMATS:
        raise ValueError(
            f"format must be one of {', '.join(FORMATS)}, got {settings.format!r}"
        )
    if settings.encoding not in (*ENCODINGS, None):
        raise ValueError(
            f"encoding must be one of {', '.join(ENCODINGS)}, got {settings.encoding!r}"
        )
