"""Label maps: pictures whose numbers or colors say which thing a pixel shows."""

import os
import re
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import UInt8
from PIL import Image as PillowImage
from PIL import ImageColor

from styleflax.images.decoding import Encoded, ImageError, one_line, open_image
from styleflax.images.pixels import exif_orientation, turned_upright

_LABELLED = re.compile(r"(?P<path>.+)\[(?P<label>[^\[\]]*)\]")
_MAX_LABELS = 12
_LOSSY = (".jpg", ".jpeg", ".jfif")


class Labelled(NamedTuple):
    """One thing of a label map.

    Attributes:
        path: The label map.
        label: Its number, or its color as (red, green, blue) of 8 bits.
    """

    path: Path
    label: int | tuple[int, int, int]


def read_label(mask: str | os.PathLike[str]) -> Labelled | None:
    """Returns the file and label of `FILE[LABEL]`; None for any other path.

    A file that has this very name comes first.

    Args:
        mask: As "labels.png[3]" for a number, or "labels.png[#ff0000]" or
            "labels.png[red]" for a color.

    Raises:
        ValueError: There is such a file, but no such number or color.
    """
    text = os.fspath(mask)
    match = _LABELLED.fullmatch(text)
    if match is None or Path(text).exists():
        return None
    given = match["label"]
    if given.isdecimal():
        return Labelled(Path(match["path"]), int(given))
    try:
        red, green, blue = ImageColor.getrgb(given)[:3]
    except ValueError:
        if not Path(match["path"]).is_file():
            return None
        raise ValueError(
            f"the label of {match['path']} must be a whole number as in [3] or a color "
            f"as in [#ff0000] or [red], got [{given}]"
        ) from None
    return Labelled(Path(match["path"]), (red, green, blue))


def mask_file(mask: str | os.PathLike[str]) -> Path:
    """Returns the file that a mask is read from, without its label."""
    labelled = read_label(mask)
    return Path(mask) if labelled is None else labelled.path


def read_labelled(
    labelled: Labelled, name: str, max_megapixels: float
) -> UInt8[np.ndarray, "h w"]:
    """Returns where a label map has a label: 255 there, its opacity where it has one.

    Args:
        labelled: The file and the label.
        name: What messages call it.
        max_megapixels: Limit on the file.

    Raises:
        FileNotFoundError: There is no such file.
        ImageError: It cannot be read.
        ValueError: It has no such label, or colors where a number is given.
    """
    path, label = labelled
    upright = _upright(path, name, max_megapixels)
    if isinstance(label, int):
        found = _numbers(upright, name) == label
    else:
        found = (np.asarray(upright.convert("RGB")) == label).all(axis=2)
    if not found.any():
        raise ValueError(_missing(upright, labelled, name))
    mask_u8 = np.where(found, np.uint8(255), np.uint8(0))
    if upright.has_transparency_data:
        opacity = np.asarray(upright.convert("RGBA").getchannel("A"))
        mask_u8 = np.minimum(mask_u8, opacity)
    return mask_u8


def read_upright(
    source: Encoded | PillowImage.Image, name: str, max_megapixels: float
) -> np.ndarray:
    """Returns the values of a picture as they stand in its file, upright.

    Raises:
        ImageError: It cannot be read.
    """
    return np.asarray(_upright(source, name, max_megapixels))


def _upright(
    source: Encoded | PillowImage.Image, name: str, max_megapixels: float
) -> PillowImage.Image:
    if isinstance(source, PillowImage.Image):
        return turned_upright(source, exif_orientation(source))
    with open_image(source, max_megapixels=max_megapixels, min_side_px=1) as image:
        try:
            image.load()
            return turned_upright(image, exif_orientation(image))
        except Exception as error:  # see one_line
            raise ImageError(f"{name} is damaged: {one_line(error)}") from None


def _numbers(image: PillowImage.Image, name: str) -> np.ndarray:
    """The number of every pixel: of a palette's entry, or a grey value."""
    values = np.asarray(image)
    if values.ndim == 2:
        return values.astype(np.int64) if values.dtype == np.bool_ else values
    color = values[..., :1] if image.mode in {"LA", "La"} else values[..., :3]
    if (color != color[..., :1]).any():
        raise ValueError(
            f"{name} has colors, not numbers: give a color as in [#ff0000]; it has "
            f"{_listed(_colors(image))}"
        )
    return color[..., 0]


def _missing(image: PillowImage.Image, labelled: Labelled, name: str) -> str:
    if isinstance(labelled.label, int):
        asked = str(labelled.label)
        held = [str(number) for number in np.unique(_numbers(image, name))]
    else:
        asked, held = "#{:02x}{:02x}{:02x}".format(*labelled.label), _colors(image)
    is_lossy = labelled.path.suffix.lower() in _LOSSY
    advice = "; JPEG does not keep colors exactly, so use PNG" if is_lossy else ""
    return f"{name} has no label {asked}; it has {_listed(held)}{advice}"


def _colors(image: PillowImage.Image) -> list[str]:
    """The colors of a picture, the most frequent first."""
    rgb = np.asarray(image.convert("RGB")).astype(np.uint32)
    codes = rgb[..., 0] << 16 | rgb[..., 1] << 8 | rgb[..., 2]
    values, counts = np.unique(codes, return_counts=True)
    return [f"#{values[i]:06x}" for i in np.argsort(-counts, kind="stable")]


def _listed(labels: Iterable[str]) -> str:
    names = list(labels)
    rest = len(names) - _MAX_LABELS
    return ", ".join(names[:_MAX_LABELS]) + (f" and {rest} more" if rest > 0 else "")
