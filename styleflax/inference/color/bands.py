"""Functions of single pixels, compiled for blocks of one size, not for pictures'."""

from collections.abc import Callable

import jax
import numpy as np
from jaxtyping import Float

from styleflax.compile_cache.jit import kept_jit
from styleflax.ops import color

BLOCK_PX = 2**16

PixelFunction = Callable[..., jax.Array]
"""(1, 1, n, 3) of each argument -> the same."""

keep_luminance = kept_jit(color.keep_luminance)
rgb_to_lab = kept_jit(color.rgb_to_lab)
lab_to_rgb = kept_jit(color.lab_to_rgb)


def map_pixels(
    function: PixelFunction, *pictures: Float[np.ndarray, "h w 3"]
) -> Float[np.ndarray, "h w 3"]:
    """What the function gives for all pixels, block by block."""
    flat = [picture.reshape(-1, 3) for picture in pictures]
    made = np.empty(flat[0].shape, np.float32)
    for first in range(0, len(made), BLOCK_PX):
        size = min(BLOCK_PX, len(made) - first)
        blocks = np.zeros((len(flat), 1, 1, BLOCK_PX, 3), np.float32)
        for block, pixels in zip(blocks, flat, strict=True):
            block[0, 0, :size] = pixels[first : first + size]
        made[first : first + size] = np.asarray(function(*blocks))[0, 0, :size]
    return made.reshape(pictures[0].shape)
