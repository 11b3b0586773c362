"""Colors of the pictures whose styles a network learns, for the color step."""

from typing import Any

import jax.numpy as jnp
import numpy as np

from styleflax.datasets.augment import centre_crop
from styleflax.datasets.sources import PictureSource
from styleflax.images.pixels import to_float
from styleflax.methods.base import Method
from styleflax.ops.color_match import palette_of


def read_palettes(
    method: Method, styles: PictureSource, style_px: int
) -> dict[str, dict[str, Any]]:
    """The palettes of a method's own styles by their names, as JSON has them.

    Args:
        method: The method; those that take paintings have none.
        styles: The pictures of its styles, in order.
        style_px: Side of the squares at which they are seen.
    """
    palettes = {}
    for index, name in enumerate(method.styles):
        square = to_float(centre_crop(styles[index], style_px))
        palette = palette_of(jnp.asarray(square)[None])
        palettes[name] = {
            k: np.asarray(v).tolist() for k, v in palette._asdict().items()
        }
    return palettes
