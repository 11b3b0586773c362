"""Losses that are not of style: of content, position by position, and of the result.

Content losses compare two images or their features; regularizers see the result alone.
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType

import jax.numpy as jnp
from jaxtyping import Array, Float

from styleflax.config import Losses
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


def total_variation_loss(image: Image) -> Float[Array, ""]:
    """Mean squared difference of vertical and of horizontal neighbors, summed.

    Images of a single row or column have no neighbors there and add 0.

    Example:
        >>> import jax.numpy as jnp
        >>> float(total_variation_loss(jnp.array([[[[0.0] * 3, [0.5] * 3]]])))
        0.25
    """
    steps = [jnp.diff(image, axis=axis) for axis in (1, 2)]
    return sum((mean_square(x) for x in steps if x.size), start=jnp.zeros(()))


def out_of_range_loss(image: Image) -> Float[Array, ""]:
    """Mean squared distance of values from [0, 1], where pictures end.

    A network without a limit at its output can please an encoder by values that no
    picture has; cut off, they are spots of pure color.

    Example:
        >>> import jax.numpy as jnp
        >>> float(out_of_range_loss(jnp.full((1, 2, 2, 3), 1.5)))
        0.25
    """
    return mean_square(image - jnp.clip(image, 0.0, 1.0))


REGULARIZERS: Mapping[str, Callable[[Image], Float[Array, ""]]] = MappingProxyType(
    {"total_variation": total_variation_loss, "out_of_range": out_of_range_loss}
)
"""By the name that a method's weights have for it."""


def regularize(image: Image, weights: Losses) -> dict[str, Float[Array, ""]]:
    """The regularizers that have a weight, by name."""
    return {k: loss(image) for k, loss in REGULARIZERS.items() if k in weights}
