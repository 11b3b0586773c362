"""Paintings made by this project's own code, for machines that have no pictures.

Each family is a manner of painting with its own marks and textures; a seed decides the
motif, the palette and every stroke. Everything is drawn by NumPy and Pillow.
"""

import hashlib

import numpy as np
from jaxtyping import UInt8

from styleflax.art import dots, facets, prints, strokes, washes
from styleflax.art.brush import to_u8

MIN_SIZE_PX = 16

_PAINTERS = {
    "cubism": facets.paint_cubism,
    "cutouts": prints.paint_cutouts,
    "dot_painting": dots.paint_dot_painting,
    "flow_strokes": strokes.paint_flow_strokes,
    "ink_wash": washes.paint_ink_wash,
    "marbling": washes.paint_marbling,
    "mosaic": facets.paint_mosaic,
    "palette_knife": strokes.paint_palette_knife,
    "pointillism": dots.paint_pointillism,
    "stained_glass": facets.paint_stained_glass,
    "ukiyo_e": prints.paint_ukiyo_e,
    "watercolor": washes.paint_watercolor,
    "woodcut": prints.paint_woodcut,
}

FAMILIES: tuple[str, ...] = tuple(_PAINTERS)
"""The names of the families, in alphabetical order."""


def paint(
    family: str, seed: int, size_px: int = 384
) -> UInt8[np.ndarray, "size size 3"]:
    """Returns a painting, the same for the same family, seed and size.

    Args:
        family: one of `FAMILIES`.
        seed: 0 or more; it decides motif, palette and strokes.
        size_px: the side of the square picture, 16 px or more.

    Raises:
        ValueError: if the family is unknown, the seed negative or the size too small.

    Example:
        >>> paint("mosaic", seed=0, size_px=32).shape
        (32, 32, 3)
    """
    if family not in _PAINTERS:
        known = ", ".join(FAMILIES)
        raise ValueError(f"family must be one of {known}, got {family!r}")
    if seed < 0:
        raise ValueError(f"seed must be at least 0, got {seed}")
    if size_px < MIN_SIZE_PX:
        raise ValueError(f"size_px must be at least {MIN_SIZE_PX}, got {size_px}")
    # Python's own hash() of a string changes from process to process.
    name = int.from_bytes(hashlib.sha256(family.encode()).digest()[:8], "little")
    rng = np.random.default_rng([name, seed])
    return to_u8(_PAINTERS[family](rng, size_px))
