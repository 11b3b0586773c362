"""What a stylized data set is made of and under which settings."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from styleflax.datasets.labelled import LabelledSource, open_labelled
from styleflax.inference.checks import MIN_SIDE_PX, check_alpha
from styleflax.inference.datasets.paintings import Paintings
from styleflax.inference.datasets.program import make_style_encoder
from styleflax.inference.datasets.tfds_files import make_features
from styleflax.inference.model import Model, build_model
from styleflax.weights.packaged_models import find_model
from styleflax.weights.store import load_model, model_digest

ENCODINGS = ("jpeg", "png")
_RECORDED = ("image", "name", "index", "style", "seed", "weights_sha256")


class Settings(NamedTuple):
    """How to make a stylized data set.

    Attributes:
        content: See `datasets.labelled.open_labelled`.
        style: Folder of paintings, at any depth.
        weights: A name or a model file.
        split: See `open_labelled`.
        data_dir: See `open_labelled`.
        alpha: Strength of the styles, 0 to 1.
        size_px: Short side of the pictures, before and after.
        crop: Take the middle square, so that one program serves all. Otherwise
            every size of picture compiles a program, and pictures run one by
            one on one device of each process.
        style_size_px: Paintings become squares of this side.
        batch_size: Pictures of a part, and of a device at a time.
        seed: The style of a picture depends on this and on its number alone.
        encoding: Of the pictures: `jpeg` (quality 95, all colours) or `png`.
        num_threads: Read, decode, encode and write, in each process.
        classes: Names of all classes in order; None for those of the source.
    """

    content: str
    style: str
    weights: str = "adain"
    split: str = "train"
    data_dir: str | None = None
    alpha: float = 1.0
    size_px: int = 256
    crop: bool = True
    style_size_px: int = 256
    batch_size: int = 16
    seed: int = 0
    encoding: str = "jpeg"
    num_threads: int = 4
    classes: tuple[str, ...] | None = None


class Job(NamedTuple):
    """Settings with all that they name opened."""

    settings: Settings
    source: LabelledSource
    paintings: Paintings
    model: Model
    weights_sha256: str


def open_job(settings: Settings) -> Job:
    """Opens what the settings name.

    Raises:
        FileNotFoundError: Something is not there.
        ValueError: A number is out of range, or there is no picture.
    """
    _check(settings)
    source = open_labelled(
        settings.content, settings.split, settings.data_dir, settings.classes
    )
    if taken := sorted(source.classes.keys() & set(_RECORDED)):
        raise ValueError(
            f"the labels {taken} of {settings.content!r} have the names of what is "
            "recorded for every picture"
        )
    if not len(source):
        raise ValueError(f"{settings.content!r} holds no picture")
    file = load_model(find_model(settings.weights))
    model = build_model(file)
    paintings = Paintings(
        Path(settings.style), settings.style_size_px, make_style_encoder(model)
    )
    return Job(settings, source, paintings, model, model_digest(file))


def describe(job: Job) -> dict[str, Any]:
    """All that decides what the data set holds, as JSON takes it."""
    given = job.settings._asdict()
    for name in ("content", "style", "weights", "split", "data_dir", "num_threads"):
        del given[name]
    if given["classes"] is None:  # as settings were before there were any
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


def count_parts(job: Job) -> int:
    """How many parts there are; every one is a batch, but for the last."""
    return math.ceil(len(job.source) / job.settings.batch_size)


def part_indices(job: Job, part: int) -> range:
    """The numbers of a part's pictures in the source."""
    size = job.settings.batch_size
    return range(part * size, min((part + 1) * size, len(job.source)))


def features_of(job: Job) -> Any:
    """What an example holds, for TFDS."""
    side_px = job.settings.size_px if job.settings.crop else None
    classes: Mapping[str, Sequence[str] | int] = job.source.classes
    return make_features(classes, side_px, job.settings.encoding)


def _check(settings: Settings) -> None:
    check_alpha(settings.alpha)
    lowest = {
        "size_px": MIN_SIDE_PX,
        "style_size_px": MIN_SIDE_PX,
        "batch_size": 1,
        "seed": 0,
        "num_threads": 1,
    }
    for name, least in lowest.items():
        if (value := getattr(settings, name)) < least:
            raise ValueError(f"{name} must be at least {least}, got {value}")
    if settings.encoding not in ENCODINGS:
        raise ValueError(
            f"encoding must be one of {', '.join(ENCODINGS)}, got {settings.encoding!r}"
        )
