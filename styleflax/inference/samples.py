"""Sample pictures of a training run."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import UInt8

from styleflax.data.grids import image_grid
from styleflax.data.pixels import to_float
from styleflax.methods.base import Batch, Method, Variables, plain_controls, stylize
from styleflax.types import Image, Params


def make_sampler(
    method: Method,
) -> Callable[[Variables, Params, Batch], UInt8[np.ndarray, "h w 3"]]:
    """`draw(variables, frozen, batch)`: every content of a batch in every style.

    Contents run down the left side, styles along the top.
    """

    @jax.jit
    def program(
        variables: Variables, frozen: Params, content: Image, style: Image
    ) -> Image:
        encoded = method.encode_style(variables, frozen, {"image": style})
        image = stylize(method, variables, frozen, content, [encoded], plain_controls())
        return jnp.clip(image, 0.0, 1.0)

    def draw(variables: Variables, frozen: Params, batch: Batch) -> np.ndarray:
        contents, styles = to_float(batch["content"]), to_float(batch["style"])
        rows: list[list[np.ndarray | None]] = [[None, *styles]]
        for content in contents:
            pairs = [(content[None], style[None]) for style in styles]
            images = [program(variables, frozen, *pair) for pair in pairs]
            rows.append([content, *(np.asarray(image[0]) for image in images)])
        return image_grid(rows, cell_px=contents.shape[1])

    return draw
