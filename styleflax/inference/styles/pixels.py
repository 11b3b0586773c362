"""Paintings at the size at which they are seen."""

import numpy as np

from styleflax.inference.contents import (
    Picture,
    StylePixels,
    as_floats,
    load_pixels,
    resize,
)
from styleflax.inference.masks.layout import spread
from styleflax.inference.masks.read import Mask, check_style_mask
from styleflax.inference.styles.cache import needs_pixels
from styleflax.inference.styles.file import is_style_file

STYLE_SIZE_PX = 512
"""Styles are shrunk to this short side, the one the published programs use."""


def see_style(
    style: Picture | StylePixels, size: int | None, mask: Mask | None = None
) -> StylePixels:
    """A painting at the short side asked for; one that has been seen may stay so.

    Args:
        style: Of any size.
        size: In px; None shrinks pictures to `STYLE_SIZE_PX` if they are larger.
        mask: The part of it that counts, scaled to at most 1; None for all, or for
            what it had.

    Raises:
        ValueError: If it cannot be used, or is a style file.
        FileNotFoundError: If a path leads nowhere.
    """
    if isinstance(style, StylePixels):
        if size is None and mask is None:
            return style
        pixels, values = style.image, style.mask
    elif is_style_file(style):  # whoever has a model has found it before
        raise needs_pixels("gatys", style)
    else:
        pixels, values = load_pixels(style), None
        if size is None and min(pixels.shape[:2]) > STYLE_SIZE_PX:
            size = STYLE_SIZE_PX
    if mask is not None:
        values = check_style_mask(mask, "the mask of the style")
    image = as_floats(pixels) if size is None else _resized(pixels, size)
    if values is not None:
        values = spread(values, image.shape[:2], "the mask of the style")
        values = values / values.max()  # so that an even grey is as white
    return StylePixels(image, values)


def _resized(pixels: np.ndarray, size: int) -> np.ndarray:
    return as_floats(resize(pixels, size))
