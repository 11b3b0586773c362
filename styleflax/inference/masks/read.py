"""Masks and label maps: where in a content each style goes."""

import logging
import os
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import UInt8
from PIL import Image as PillowImage
from PIL import ImageColor

from styleflax.images.decoding import (
    MAX_MEGAPIXELS,
    Encoded,
    ImageError,
    exif_orientation,
    is_encoded,
    one_line,
    open_image,
    path_or_bytes,
    turned_upright,
)
from styleflax.images.files import to_float
from styleflax.images.read import Picture, read_picture

logger = logging.getLogger(__name__)

Mask = Encoded | PillowImage.Image | np.ndarray
"""A mask, which is white, or 1, where its style applies; grays are in between.

It is one of: a path, bytes, an open file or a Pillow image of any size, which is
stretched over the content and whose transparent parts do not belong to the mask; an
array (h, w) of bool, uint8, float in [0, 1], or integers 0 and 1; one label of a label
map, "labels.png[3]" by its number or "labels.png[#ff0000]" by its color; "alpha", the
opacity of the content; "rest", the part that no other mask covers. In an image with
values of 0 and 1 only, 1 is white.
"""
ALPHA, REST = "alpha", "rest"
_COLORFUL_U8, _COLORFUL_SHARE = 32, 1e-3
"""A mask counts as colored if this share of pixels has channels this far apart."""
_FAINT_U8 = 31
"""Largest value of an image that is more likely a label map than a mask."""
_SAMPLED_PX = 2**20


class MaskSet(NamedTuple):
    """Masks that have been read.

    Attributes:
        names: Names of the masks in messages.
        sources: Values as float in [0, 1] or uint8; None for `ALPHA` and `REST`.
        kinds: `ALPHA`, `REST`, or "" for masks with values.
        feather_px: Width in px over which edges fade on either side.
    """

    names: tuple[str, ...]
    sources: tuple[np.ndarray | None, ...]
    kinds: tuple[str, ...]
    feather_px: float

    @property
    def need_alpha(self) -> bool:
        """Whether a mask depends on the content's opacity."""
        return ALPHA in self.kinds


def check_masks(
    masks: Mask | Sequence[Mask] | MaskSet,
    feather_px: float = 0.0,
    max_megapixels: float = MAX_MEGAPIXELS,
) -> MaskSet:
    """Returns masks after reading and checking them; a `MaskSet` is returned unchanged.

    Args:
        masks: One mask or several.
        feather_px: Width in px over which edges fade on either side.
        max_megapixels: Largest size of a file.

    Raises:
        ValueError: If there is no mask, one is not a mask, or `feather_px` is negative;
            `ImageError` if a file cannot be read.
        FileNotFoundError: If a file is missing.
    """
    if isinstance(masks, MaskSet):
        return masks
    alone = isinstance(masks, PillowImage.Image) or is_encoded(masks)
    alone = alone or (isinstance(masks, np.ndarray) and masks.ndim == 2)
    several: Sequence[Mask] = [masks] if alone else list(masks)  # type: ignore[arg-type, list-item]
    if not several:
        raise ValueError("masks must have at least one mask, got none")
    if not 0.0 <= feather_px < float("inf"):
        raise ValueError(f"feather must be finite and at least 0 px, got {feather_px}")
    kinds = tuple(
        str(mask) if isinstance(mask, str) and mask in {ALPHA, REST} else ""
        for mask in several
    )
    if kinds.count(REST) > 1 or (REST in kinds and len(kinds) == 1):
        raise ValueError(
            f"{REST!r} must be given once, with other masks: it is the part that none "
            "of them covers"
        )
    names = [_name(number, mask) for number, mask in enumerate(several, 1)]
    values = [
        None if kind else read_mask(mask, name, max_megapixels)
        for mask, kind, name in zip(several, kinds, names, strict=True)
    ]
    return MaskSet(tuple(names), tuple(values), kinds, float(feather_px))


def check_style_mask(mask: Mask, name: str) -> np.ndarray:
    """Returns the values of a style's mask, as in `MaskSet.sources`.

    Args:
        mask: A mask other than `ALPHA` and `REST`, which exist only for contents.
        name: Name of the mask in messages.

    Raises:
        ValueError: If it is not a mask, or empty; `ImageError` if it is a file that
            cannot be read.
        FileNotFoundError: If a file is missing.
    """
    if isinstance(mask, str) and mask in {ALPHA, REST}:
        raise ValueError(f"{name} must be an image, got {mask!r}")
    values = read_mask(mask, name)
    if not values.any():
        raise ValueError(f"{name} must have at least one pixel, got an empty mask")
    return values


def check_style_masks(
    masks: Sequence[Mask | None], num_styles: int
) -> tuple[np.ndarray | None, ...]:
    """Returns the values of all styles' masks; None for styles without a mask.

    Raises:
        ValueError: If there is not one entry per style, or an entry is not a mask.
        FileNotFoundError: If a file is missing.
    """
    if not isinstance(masks, list | tuple) or len(masks) != num_styles:
        raise ValueError(
            f"style_masks must be a list of one per style, or None; there are "
            f"{num_styles} styles"
        )
    return tuple(
        None if mask is None else check_style_mask(mask, f"mask of style {number}")
        for number, mask in enumerate(masks, 1)
    )


def read_mask(
    mask: Mask, name: str, max_megapixels: float = MAX_MEGAPIXELS
) -> np.ndarray:
    """Returns the values of a mask, as in `MaskSet.sources`.

    Args:
        mask: A mask other than `ALPHA` and `REST`.
        name: Name of the mask in messages.
        max_megapixels: Largest size of a file.

    Raises:
        ValueError: If it is not a mask; `ImageError` if it is a file that cannot be
            read.
        FileNotFoundError: If a file is missing.
    """
    if not (isinstance(mask, PillowImage.Image) or is_encoded(mask)):
        return _checked(np.asarray(mask), name)
    if isinstance(mask, str | os.PathLike) and (labeled := read_label(mask)):
        return read_labeled(labeled, name, max_megapixels)
    if is_encoded(mask):
        mask = path_or_bytes(mask)  # read once, because it may be needed again
    picture = read_picture(mask, max_megapixels=max_megapixels, min_side_px=1)
    gray_u8 = np.asarray(PillowImage.fromarray(picture.rgb_u8).convert("L"))
    values = gray_u8
    if picture.mode.startswith("I"):  # 0 and 1 of 16 bits are both black in 8 bits bits
        values = read_upright(mask, name, max_megapixels)
    if values.max() == 1:  # as OpenCV and label maps with one label have it
        gray_u8 = np.where(values > 0, np.uint8(255), np.uint8(0))
    _warn_of_labels(picture, gray_u8, name)
    if picture.alpha_u8 is None:
        return gray_u8
    return to_float(gray_u8) * to_float(picture.alpha_u8)


def _warn_of_labels(picture: Picture, gray_u8: np.ndarray, name: str) -> None:
    """Warns if a mask looks like a label map whose label is missing."""
    step = max(1, int((gray_u8.size / _SAMPLED_PX) ** 0.5))
    part = picture.rgb_u8[::step, ::step].astype(np.int16)
    if ((np.ptp(part, axis=2) > _COLORFUL_U8).mean()) > _COLORFUL_SHARE:
        logger.warning(
            "%s is colored, and only its brightness counts; to take one thing of a "
            "label map name its color or number in brackets, as in labels.png[#ff0000] "
            "or labels.png[3]",
            name,
        )
    elif 0 < (greatest := int(gray_u8.max())) <= _FAINT_U8:
        logger.warning(
            "%s is nearly black: its greatest value is %d of 255; to take one thing of "
            "a label map name its number in brackets, as in labels.png[%d]",
            name,
            greatest,
            greatest,
        )


def _checked(values: np.ndarray, name: str) -> np.ndarray:
    if values.ndim != 2 or not values.size:
        raise ValueError(f"{name} must have shape (h, w), got {values.shape}")
    is_whole = np.issubdtype(values.dtype, np.integer)
    if is_whole and values.min() >= 0 and values.max() == 1:
        values = values.astype(np.bool_)
    if values.dtype == np.uint8:
        return values
    if values.dtype != np.bool_ and not np.issubdtype(values.dtype, np.floating):
        raise ValueError(
            f"{name} must have dtype bool, uint8 or float, or integers 0 and 1, got "
            f"{values.dtype}"
        )
    values = values.astype(np.float32)
    # Written so that NaN fails too.
    if not (values.min() >= 0 and values.max() <= 1):
        raise ValueError(
            f"floats in {name} must be in [0, 1], got values from {values.min():g} to "
            f"{values.max():g}"
        )
    return values


def _name(number: int, mask: Mask) -> str:
    if isinstance(mask, str | os.PathLike):
        return f"mask {number} ({Path(mask).name})"
    return f"mask {number}"


_LABELED = re.compile(r"(?P<path>.+)\[(?P<label>[^\[\]]*)\]")
_MAX_LABELS = 12
_LOSSY = (".jpg", ".jpeg", ".jfif")


class Labeled(NamedTuple):
    """One label of a label map.

    Attributes:
        path: File of the label map.
        label: The label's number, or its color (red, green, blue) in 8 bits.
    """

    path: Path
    label: int | tuple[int, int, int]


def read_label(mask: str | os.PathLike[str]) -> Labeled | None:
    """Returns the file and label of `FILE[LABEL]`; None for any other path.

    An existing file with exactly this name takes precedence.

    Args:
        mask: A path such as "labels.png[3]" for a number, or "labels.png[#ff0000]" or
            "labels.png[red]" for a color.

    Raises:
        ValueError: If there is such a file, but no such number or color.
    """
    text = os.fspath(mask)
    match = _LABELED.fullmatch(text)
    if match is None or Path(text).exists():
        return None
    given = match["label"]
    if given.isdecimal():
        return Labeled(Path(match["path"]), int(given))
    try:
        red, green, blue = ImageColor.getrgb(given)[:3]
    except ValueError:
        if not Path(match["path"]).is_file():
            return None
        raise ValueError(
            f"the label of {match['path']} must be a whole number as in [3] or a color "
            f"as in [#ff0000] or [red], got [{given}]"
        ) from None
    return Labeled(Path(match["path"]), (red, green, blue))


def mask_file(mask: str | os.PathLike[str]) -> Path:
    """Returns the file of a mask, without the label."""
    labeled = read_label(mask)
    return Path(mask) if labeled is None else labeled.path


def read_labeled(
    labeled: Labeled, name: str, max_megapixels: float
) -> UInt8[np.ndarray, "h w"]:
    """Returns the mask of a label: 255 at its pixels, or their opacity.

    Args:
        labeled: The file and the label.
        name: Name of the mask in messages.
        max_megapixels: Largest size of the file.

    Raises:
        FileNotFoundError: If there is no such file.
        ImageError: If it cannot be read.
        ValueError: If it has no such label, or colors where a number is given.
    """
    path, label = labeled
    upright = _upright(path, name, max_megapixels)
    if isinstance(label, int):
        found = _numbers(upright, name) == label
    else:
        found = (np.asarray(upright.convert("RGB")) == label).all(axis=2)
    if not found.any():
        raise ValueError(_missing(upright, labeled, name))
    mask_u8 = np.where(found, np.uint8(255), np.uint8(0))
    if upright.has_transparency_data:
        opacity = np.asarray(upright.convert("RGBA").getchannel("A"))
        mask_u8 = np.minimum(mask_u8, opacity)
    return mask_u8


def read_upright(
    source: Encoded | PillowImage.Image, name: str, max_megapixels: float
) -> np.ndarray:
    """Returns the values of an image exactly as in its file, rotated upright.

    Raises:
        ImageError: If it cannot be read.
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
    """Returns the number of every pixel: its palette index or its gray value."""
    values = np.asarray(image)
    if values.ndim == 2:
        return values.astype(np.int64) if values.dtype == np.bool_ else values
    color = values[..., :1] if image.mode in {"LA", "La"} else values[..., :3]
    if (color != color[..., :1]).any():
        raise ValueError(
            f"{name} has colors, not numbers: give a color such as [#ff0000]; it has "
            f"{_listed(_colors(image))}"
        )
    return color[..., 0]


def _missing(image: PillowImage.Image, labeled: Labeled, name: str) -> str:
    if isinstance(labeled.label, int):
        label = str(labeled.label)
        held = [str(number) for number in np.unique(_numbers(image, name))]
    else:
        label, held = "#{:02x}{:02x}{:02x}".format(*labeled.label), _colors(image)
    is_lossy = labeled.path.suffix.lower() in _LOSSY
    advice = "; JPEG does not keep colors exactly, so use PNG" if is_lossy else ""
    return f"{name} has no label {label}; it has {_listed(held)}{advice}"


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
