"""Distances between features of two images, position by position."""

import jax.numpy as jnp
from jaxtyping import Array, Float


def mse_loss(x: Float[Array, "..."], target: Float[Array, "..."]) -> Float[Array, ""]:
    """Mean squared difference over all elements, in float32.

    As content loss: between the features of the stylized image at relu4_1 and
    the AdaIN output they were decoded from (Huang and Belongie 2017, equation
    12). As pixel loss: between images.
    """
    difference = x.astype(jnp.float32) - target.astype(jnp.float32)
    return jnp.square(difference).mean()
