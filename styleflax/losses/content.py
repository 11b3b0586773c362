"""Distances between two images or their features, position by position."""

import jax.numpy as jnp
from jaxtyping import Array, Float

from styleflax.ops.statistics import mean_square
from styleflax.types import Image

# From RGB to luma and the two color differences of ITU-R BT.601, as in JPEG.
LUMA_CHROMA = (
    (0.299, 0.587, 0.114),
    (-0.168736, -0.331264, 0.5),
    (0.5, -0.418688, -0.081312),
)


def mse_loss(x: Float[Array, "..."], target: Float[Array, "..."]) -> Float[Array, ""]:
    """Mean squared difference over all elements, in float32.

    As content loss: between the features of the stylized image at relu4_1 and
    the AdaIN output they were decoded from (Huang and Belongie 2017, equation
    12).

    Example:
        >>> import jax.numpy as jnp
        >>> float(mse_loss(jnp.array([1.0, 2.0]), jnp.array([1.0, 4.0])))
        2.0
    """
    return mean_square(x.astype(jnp.float32) - target.astype(jnp.float32))


def pixel_loss(
    image: Image, target: Image, *, chroma_weight: float = 10.0
) -> Float[Array, ""]:
    """Mean squared difference of luma, and of both color differences by weight.

    Between RGB values, 87 % of the variance of photographs and paintings (in means
    over 8 px) is luma, and a decoder learns grays long before it learns colors.

    Args:
        image: RGB, here not limited to [0, 1].
        target: RGB in [0, 1].
        chroma_weight: Weight of each of the two color differences; about the
            ratio of luma's variance to theirs evens out the three.
    """
    difference = (image - target).astype(jnp.float32)
    components = difference @ jnp.array(LUMA_CHROMA).T
    weights = jnp.array([1.0, chroma_weight, chroma_weight])
    return (jnp.square(components) * weights).sum(axis=-1).mean()
