"""Paintings at the size at which they are seen."""

import numpy as np

from styleflax.inference.contents import (
    Picture,
    StylePixels,
    as_floats,
    load_pixels,
    resize,
)

STYLE_SIZE_PX = 512
"""Styles are shrunk to this short side, the one the published programs use."""


def see_style(style: Picture | StylePixels, size: int | None) -> StylePixels:
    """A painting at the short side asked for; one that has been seen may stay so.

    Args:
        style: Of any size.
        size: In px; None shrinks pictures to `STYLE_SIZE_PX` if they are larger.

    Raises:
        ValueError: If it cannot be used.
        FileNotFoundError: If a path leads nowhere.
    """
    if isinstance(style, StylePixels):
        return style if size is None else StylePixels(_resized(style.image, size))
    pixels = load_pixels(style)
    if size is None and min(pixels.shape[:2]) > STYLE_SIZE_PX:
        size = STYLE_SIZE_PX
    return StylePixels(as_floats(pixels) if size is None else _resized(pixels, size))


def _resized(pixels: np.ndarray, size: int) -> np.ndarray:
    return as_floats(resize(pixels, size))
