"""Sample images of a training run."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import UInt8

from styleflax.images.files import to_float
from styleflax.images.grid import image_grid
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
        variables: Variables, frozen: Params, content: Image, style: Batch
    ) -> Image:
        encoded = method.encode_style(variables, frozen, style)
        image = stylize(method, variables, frozen, content, [encoded], plain_controls())
        return jnp.clip(image, 0.0, 1.0)

    def draw(variables: Variables, frozen: Params, batch: Batch) -> np.ndarray:
        contents, styles = to_float(batch["content"]), to_float(batch["style"])
        # Of a few styles of the method's own, a batch may hold some several times.
        places = batch.get("style_index", np.arange(len(styles)))
        chosen = np.unique(places, return_index=True)[1]
        styles, places = styles[chosen], places[chosen]
        inputs = [
            {"image": style[None], "style_index": place[None]}
            for style, place in zip(styles, places, strict=True)
        ]
        rows: list[list[np.ndarray | None]] = [[None, *styles]]
        for content in contents:
            images = [program(variables, frozen, content[None], s) for s in inputs]
            rows.append([content, *(np.asarray(image[0]) for image in images)])
        return image_grid(rows, cell_px=contents.shape[1])

    return draw
