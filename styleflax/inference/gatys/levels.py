"""The levels of a pyramid of pictures, and what each begins with."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from styleflax.inference.checks import MIN_SIDE_PX
from styleflax.types import Image

Size = tuple[int, int]
"""Height and width in px."""


class Regions(NamedTuple):
    """Where each style goes.

    Attributes:
        weights: Weights of every style in every region.
        masks: Masks of the regions; they sum to 1. None for one region that is all.
        style_masks: The part of every style that counts, or () for all of them.
    """

    weights: Float[np.ndarray, "r s"]
    masks: Float[np.ndarray, "r h w"] | None = None
    style_masks: tuple[Float[np.ndarray, "_ _"] | None, ...] = ()

    @property
    def are_guided(self) -> bool:
        """Whether any region is less than a whole picture."""
        return self.masks is not None or any(x is not None for x in self.style_masks)


class Inputs(NamedTuple):
    """What an optimised picture is made of; RGB in [0, 1].

    Attributes:
        content: Content of the size that the result has.
        styles: Styles of any sizes.
        regions: Where they go.
        start: What the result begins as, of any size; None for what `Settings.init`
            says.
    """

    content: Float[np.ndarray, "h w 3"]
    styles: Sequence[Float[np.ndarray, "_ _ 3"]]
    regions: Regions
    start: Float[np.ndarray, "_ _ 3"] | None = None


def level_sizes(size: Size, levels: int) -> list[Size]:
    """Heights and widths of a pyramid, coarse to fine; the last is the size.

    Raises:
        ValueError: If the coarsest is below 16 px.
    """
    sizes = [
        (round(size[0] / 2**k), round(size[1] / 2**k)) for k in reversed(range(levels))
    ]
    if min(sizes[0]) < MIN_SIDE_PX:
        raise ValueError(
            f"levels={levels} of an image of {size[1]}x{size[0]} px start below "
            f"{MIN_SIDE_PX} px; use fewer levels"
        )
    return sizes


def at_level(inputs: Inputs, sizes: Sequence[Size], level: int) -> tuple[Any, ...]:
    """Arguments of `find_targets`: pictures as large as they are at a level."""
    scale = 2.0 ** (len(sizes) - 1 - level)
    styles = [
        resized(x[None], (round(x.shape[0] / scale), round(x.shape[1] / scale)))
        for x in inputs.styles
    ]
    weights, masks, parts = inputs.regions
    content = resized(inputs.content[None], sizes[level])
    return content, styles, masks, jnp.asarray(weights), parts


def first_image(inputs: Inputs, init: str, size: Size, key: Array) -> Image:
    """What a picture begins as at the coarsest level.

    Raises:
        ValueError: If it should be a style, and there is none.
    """
    if inputs.start is not None:
        return resized(inputs.start[None], size)
    if init == "noise":
        return jax.random.uniform(key, (1, *size, 3))
    if init == "content":
        return resized(inputs.content[None], size)
    if not inputs.styles:
        raise ValueError("init='style' requires a style")
    return resized(inputs.styles[0][None], size)


def next_image(inputs: Inputs, image: Image, size: Size) -> Image:
    """Returns what a picture begins as at a finer level.

    That is the result of the level before, enlarged. A picture that was given to
    begin with keeps its own details: only what the levels before changed of it is
    enlarged.

    Args:
        inputs: Inputs of the whole picture.
        image: The result of the level before.
        size: Size of the finer level.
    """
    if inputs.start is None:
        return resized(image, size)
    start = inputs.start[None]
    change = image - resized(start, (image.shape[1], image.shape[2]))
    return resized(start, size) + resized(change, size)


def resized(image: Float[Array | np.ndarray, "1 h w 3"], size: Size) -> Image:
    """Smooth in both directions; as it is where the size is the same."""
    if image.shape[1:3] == size:
        return jnp.asarray(image)
    return jax.image.resize(image, (1, *size, 3), "cubic", antialias=True)
