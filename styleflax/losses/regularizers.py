"""Losses of the result alone."""

from collections.abc import Callable, Mapping
from types import MappingProxyType

import jax.numpy as jnp
from jaxtyping import Array, Float

from styleflax.config import Losses
from styleflax.ops.statistics import mean_square
from styleflax.types import Image


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
