"""What a stylized data set is made of and under which settings."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from styleflax.datasets.labeled import LabeledSource, open_labeled
from styleflax.images.decoding import MIN_SIDE_PX
from styleflax.inference.controls import check_alpha, make_plan
from styleflax.inference.datasets.parts import make_features
from styleflax.inference.datasets.program import Paintings, make_style_encoder
from styleflax.inference.model import Model, build_model
from styleflax.weights.model_files import find_model
from styleflax.weights.store import load_model, model_digest

ENCODINGS = ("jpeg", "png")
TFDS, IMAGES = "tfds", "images"
FORMATS = (TFDS, IMAGES)
"""Formats of data sets: for TFDS, or a folder of images like the source."""
_RECORDED = ("image", "name", "index", "style", "seed", "weights_sha256")
_IN_TABLE = ("file_name", "source", "index", "style", "sha256")


class Settings(NamedTuple):
    """How to make a stylized data set.

    Attributes:
        content: See `datasets.labeled.open_labeled`.
        style: Folder of paintings, at any depth.
        weights: A name or a model file.
        split: See `open_labeled`.
        data_dir: See `open_labeled`.
        alpha: Strength of the styles, 0 to 1.
        color_match: See `controls.ControlArguments`; by default what the weights say.
        detail: See `controls.ControlArguments`; by default what the weights say.
        size_px: Short side of the pictures, before and after. By default 256 for
            `tfds`, and each picture's own for `images`.
        crop: Take the middle square, so that one program serves all; the default
            for `tfds`. Otherwise pictures run on one device of each process, a part
            at once where all of it have one small size, and else through windows.
        style_size_px: Paintings become squares of this side.
        batch_size: Pictures of a part, and of a device at a time.
        seed: The style of a picture depends on this and on its number alone.
        encoding: Encoding of the pictures: `jpeg` (quality 95, all colors) or `png`.
            By default `jpeg` for `tfds`, and the source's for `images`.
        num_threads: Read, decode, encode and write, in each process.
        classes: Names of all classes in order; None for those of the source.
        format: One of `FORMATS`.
        styles_per_picture: How many stylized pictures each picture has, in as many
            different styles.
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
        """The settings with the defaults of their format."""
        is_tfds = self.format == TFDS
        size_px, encoding = (256, "jpeg") if is_tfds else (None, None)
        return self._replace(
            size_px=self.size_px or size_px,
            crop=is_tfds if self.crop is None else self.crop,
            encoding=self.encoding or encoding,
        )


class Job(NamedTuple):
    """Settings with all that they name opened."""

    settings: Settings
    source: LabeledSource
    paintings: Paintings
    model: Model
    weights_sha256: str


def open_job(settings: Settings) -> Job:
    """Opens what the settings name.

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
    """All that decides what the data set holds, as JSON takes it."""
    given = job.settings._asdict()
    for name in ("content", "style", "weights", "split", "data_dir", "num_threads"):
        del given[name]
    defaults = {"format": TFDS, "styles_per_picture": 1}
    for name, value in defaults.items():  # as settings were before there were any
        if given[name] == value:
            del given[name]
    if given["classes"] is None:
        del given["classes"]
    else:
        given["classes"] = list(given["classes"])
    return {
        **given,
        "content": f"{job.source.description} ({job.source.split})",
        "style": job.paintings.description,
        "weights_sha256": job.weights_sha256,
    }


def notes_of(job: Job) -> dict[str, Any]:
    """What the sources hold that goes into no picture, for the report."""
    left_out = [*job.source.left_out, *job.paintings.left_out]
    return {
        "left_out": [{"path": str(p), "reason": reason} for p, reason in left_out],
        "empty_classes": list(job.source.empty_classes),
    }


def parts_folder(out: Path, job: Job) -> Path:
    """Where the parts of a data set in the making are.

    Hidden beside pictures, whose classes may have any other name.
    """
    return out / (".parts" if job.settings.format == IMAGES else "parts")


def count_pictures(job: Job) -> int:
    """How many stylized pictures there are to make."""
    return len(job.source) * job.settings.styles_per_picture


def count_parts(job: Job) -> int:
    """How many parts there are; every one is a batch, but for the last."""
    return math.ceil(count_pictures(job) / job.settings.batch_size)


def part_indices(job: Job, part: int) -> range:
    """The numbers of a part's stylized pictures, which follow the source's order."""
    size = job.settings.batch_size
    return range(part * size, min((part + 1) * size, count_pictures(job)))


def features_of(job: Job) -> Any:
    """What an example holds, for TFDS."""
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
