"""Masks: where in a content each style goes."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from PIL import Image as PillowImage

from styleflax.data.pictures import read_picture
from styleflax.data.pixels import to_float

Mask = str | os.PathLike[str] | PillowImage.Image | np.ndarray
"""What a mask is: white, or 1, where the style goes; greys in between.

A path or a Pillow image of any size, which is stretched over the content and whose
transparent parts are not in the mask; an array (h, w): bool, uint8 or float in
[0, 1]; "alpha", the content's own opacity; or "rest", what the other masks leave.
"""
ALPHA, REST = "alpha", "rest"
_NEGLIGIBLE = 0.02
"""Masks of 8 bits that should sum to 1 may miss it by their rounding."""
_MIN_AREA_PX = 1.0


class Masking(NamedTuple):
    """Masks that have been read.

    Attributes:
        names: What messages call them.
        sources: Values in [0, 1], or None for `ALPHA` and `REST`.
        kinds: `ALPHA`, `REST` or "" for those with values.
        feather_px: Width over which edges fade on either side.
    """

    names: tuple[str, ...]
    sources: tuple[np.ndarray | None, ...]
    kinds: tuple[str, ...]
    feather_px: float

    @property
    def need_alpha(self) -> bool:
        """Whether they depend on the content's opacity."""
        return ALPHA in self.kinds


class Regions(NamedTuple):
    """Masks laid over a picture.

    Attributes:
        masks: Sum to 1 at every position; the last is `kept` where there is one.
        kept: What none of the masks covers, or None where they cover all.
    """

    masks: Float[np.ndarray, "r h w"]
    kept: Float[np.ndarray, "h w"] | None


WHOLE = Regions(np.ones((1, 1, 1), np.float32), None)
"""One region, of any size."""


def check_masks(
    masks: Mask | Sequence[Mask] | Masking, feather_px: float = 0.0
) -> Masking:
    """Reads masks; those that have been read keep their feather.

    Raises:
        ValueError: If there are none, one is not a mask, or `feather_px` is
            negative; `ImageError` if it is a file that cannot be read.
        FileNotFoundError: If a file is missing.
    """
    if isinstance(masks, Masking):
        return masks
    alone = isinstance(masks, str | os.PathLike | PillowImage.Image) or (
        isinstance(masks, np.ndarray) and masks.ndim == 2
    )
    several: Sequence[Mask] = [masks] if alone else list(masks)  # type: ignore[arg-type, list-item]
    if not several:
        raise ValueError("masks is a list of no masks")
    if not 0.0 <= feather_px < float("inf"):
        raise ValueError(f"feather must be finite and at least 0 px, got {feather_px}")
    kinds = tuple(
        str(mask) if isinstance(mask, str) and mask in {ALPHA, REST} else ""
        for mask in several
    )
    if kinds.count(REST) > 1 or (REST in kinds and len(kinds) == 1):
        raise ValueError(f"{REST!r} is what other masks leave: give it once, with them")
    names = [_name(number, mask) for number, mask in enumerate(several, 1)]
    values = [
        None if kind else _read(mask, name)
        for mask, kind, name in zip(several, kinds, names, strict=True)
    ]
    return Masking(tuple(names), tuple(values), kinds, float(feather_px))


def lay_masks(
    masking: Masking | None,
    height: int,
    width: int,
    alpha: Float[np.ndarray, "h w"] | None = None,
    *,
    scale: float = 1.0,
) -> Regions:
    """Masks stretched over a picture, feathered, and scaled to sum to 1.

    Args:
        masking: The masks; None is the whole picture.
        height: Of the picture in px.
        width: The same.
        alpha: The content's opacity in [0, 1], of any size; None is opaque.
        scale: Pixels of this picture for each one that the feather is told in.

    Raises:
        ValueError: If a region is empty, naming it.
    """
    if masking is None:
        return WHOLE
    opaque = np.ones((1, 1), np.float32)
    laid = []
    for values, kind in zip(masking.sources, masking.kinds, strict=True):
        if kind == REST:
            continue
        source = (opaque if alpha is None else alpha) if kind == ALPHA else values
        assert source is not None
        laid.append(_feather(_stretch(source, height, width), masking, scale))
    total = np.sum(laid, axis=0)
    rest = np.clip(1.0 - total, 0.0, 1.0)
    if REST in masking.kinds:
        laid.insert(masking.kinds.index(REST), rest)
    kept = rest if REST not in masking.kinds and rest.max() > _NEGLIGIBLE else None
    masks = np.stack(laid if kept is None else [*laid, kept])
    sums = masks.sum(axis=0)  # at least 1, but for what is negligible
    masks = (masks / sums).astype(np.float32)
    for name, mask in zip(masking.names, masks, strict=False):
        if mask.sum() < _MIN_AREA_PX:
            raise ValueError(f"{name} is empty: no pixel is left for it")
    return Regions(masks, None if kept is None else masks[-1])


def _read(mask: Mask, name: str) -> np.ndarray:
    if not isinstance(mask, str | os.PathLike | PillowImage.Image):
        return _checked(np.asarray(mask), name)
    picture = read_picture(mask, min_side_px=1)
    grey = np.asarray(PillowImage.fromarray(picture.rgb_u8).convert("L"))
    values = to_float(grey)
    if picture.alpha_u8 is not None:
        values = values * to_float(picture.alpha_u8)
    return values


def _checked(values: np.ndarray, name: str) -> np.ndarray:
    if values.ndim != 2 or not values.size:
        raise ValueError(f"{name} has shape {values.shape}; it must be (h, w)")
    if values.dtype == np.uint8:
        return to_float(values)
    if values.dtype != np.bool_ and not np.issubdtype(values.dtype, np.floating):
        raise ValueError(
            f"{name} has dtype {values.dtype}; it must be bool, uint8 or float"
        )
    values = values.astype(np.float32)
    # Written so that NaN fails too.
    if not (values.min() >= 0 and values.max() <= 1):
        raise ValueError(
            f"{name} has values from {values.min():g} to {values.max():g}; floats "
            "must be in [0, 1]"
        )
    return values


def _stretch(values: np.ndarray, height: int, width: int) -> np.ndarray:
    """Exact means over the area of every pixel, so that a partition stays one."""
    if values.shape == (height, width):
        return values
    picture = PillowImage.fromarray(np.ascontiguousarray(values, np.float32))
    return np.asarray(picture.resize((width, height), PillowImage.Resampling.BOX))


def _feather(mask: np.ndarray, masking: Masking, scale: float) -> np.ndarray:
    if not masking.feather_px:
        return mask
    # Imported late: it takes a while.
    from skimage.filters import gaussian  # noqa: PLC0415

    # Two deviations on either side hold 95 % of the change from 0 to 1.
    faded = gaussian(mask, masking.feather_px * scale / 2, mode="nearest")
    return np.clip(faded, 0.0, 1.0)


def _name(number: int, mask: Mask) -> str:
    if isinstance(mask, str | os.PathLike):
        return f"mask {number} ({Path(mask).name})"
    return f"mask {number}"
