"""Losses that look at the image alone."""

import jax.numpy as jnp
from jaxtyping import Array, Float

from styleflax.types import Image


def total_variation_loss(image: Image) -> Float[Array, ""]:
    """Mean squared difference of vertical and of horizontal neighbours, summed.

    Images of a single row or column have no neighbours there and add 0.
    """
    terms = [jnp.square(jnp.diff(image, axis=axis)) for axis in (1, 2)]
    return sum((t.mean() for t in terms if t.size), start=jnp.zeros(()))
