"""Contents with a large flat area, drawn by code, and paintings to go with them.

They show what a network makes of flat areas (see `metrics.gray_patches`), which few
photographs of a folder have.
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from styleflax.art import FAMILIES, paint
from styleflax.art.noise import equalize, fbm, grid, mix, smoothstep
from styleflax.art.palette import pick, ramp
from styleflax.images.pixels import to_float

NUM_PAIRS = 96
SKIES = ("white", "gray", "graded")
SHARES = (0.4, 0.5, 0.6, 0.7)
"""Shares of the image's height that the sky takes."""
SIZES_PX = (256, 384)
STYLE_SIZE_PX = 384

_TOPS = ((0.5, 0.65, 0.88), (0.6, 0.73, 0.9), (0.75, 0.6, 0.5))
_HORIZON = (0.95, 0.93, 0.9)


class DrawnPair(NamedTuple):
    """A content with a sky and a painting; RGB in [0, 1].

    Attributes:
        name: Tells the sky, its share of the height, the size and the painting.
        content: Square, with a side of `SIZES_PX`.
        style: Square, with a side of `STYLE_SIZE_PX`.
    """

    name: str
    content: Float[np.ndarray, "h w 3"]
    style: Float[np.ndarray, "hs ws 3"]


def draw_sky(
    sky: str, share: float, seed: int, size_px: int
) -> Float[np.ndarray, "size size 3"]:
    """Returns a flat or graded sky above a textured ground.

    Args:
        sky: One of `SKIES`.
        share: Share of the height that the sky takes, 0 to 1.
        seed: Seed of colors, horizon and texture.
        size_px: Side of the square.
    """
    rng = np.random.default_rng([seed, SKIES.index(sky)])
    y, _ = grid(size_px)
    flat = np.ones((size_px, size_px, 3))
    if sky == "white":
        above = flat * rng.uniform(0.96, 1.0)
    elif sky == "gray":
        above = flat * rng.uniform(0.5, 0.85)
    else:
        top = flat * _TOPS[rng.integers(len(_TOPS))]
        above = mix(top, np.array(_HORIZON), np.minimum(y / share, 1.0))
    patches = 0.5 * equalize(fbm(rng, size_px, 6.0, 5))
    patches = patches + 0.5 * equalize(fbm(rng, size_px, 24.0, 4))
    ground = ramp(0.85 * pick(rng), patches)
    horizon = share + 0.12 * (fbm(rng, size_px, (1.0, 3.0), 4)[0] - 0.5)
    picture = mix(above, ground, smoothstep(-0.003, 0.003, y - horizon))
    return np.clip(picture, 0.0, 1.0).astype(np.float32)


def draw_pairs(num_pairs: int = NUM_PAIRS) -> Iterator[DrawnPair]:
    """Yields the first pairs of the set, always the same ones.

    Kinds of skies alternate, then shares, then sizes and families of paintings.
    """
    for i in range(num_pairs):
        sky, share = SKIES[i % 3], SHARES[i // 3 % 4]
        size_px, family = SIZES_PX[i // 12 % 2], FAMILIES[i % len(FAMILIES)]
        name = f"{sky} {share:.1f} {size_px} px, {family} {i}"
        style = to_float(paint(family, i, STYLE_SIZE_PX))
        yield DrawnPair(name, draw_sky(sky, share, i, size_px), style)
