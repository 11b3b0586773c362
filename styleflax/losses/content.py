"""Content losses, which compare position by position, and regularizers of the result.

Content losses compare two images or their features; regularizers see the result alone.
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType

import jax.numpy as jnp
from jaxtyping import Array, Float

from styleflax.config import Losses
from styleflax.ops.statistics import mean_square
from styleflax.types import Image

_PERIOD_PX = 4
_WINDOW_PX = 32

# From RGB to luma and the two color differences of ITU-R BT.601, as in JPEG.
LUMA_CHROMA = (
    (0.299, 0.587, 0.114),
    (-0.168736, -0.331264, 0.5),
    (0.5, -0.418688, -0.081312),
)


def mse_loss(x: Float[Array, "..."], target: Float[Array, "..."]) -> Float[Array, ""]:
    """Returns the mean squared difference over all elements, in float32.

    As the content loss, it compares the features of the stylized image at relu4_1 with
    the AdaIN output that they were decoded from (Huang and Belongie 2017, equation 12).

    Example:
        >>> import jax.numpy as jnp
        >>> float(mse_loss(jnp.array([1.0, 2.0]), jnp.array([1.0, 4.0])))
        2.0
    """
    return mean_square(x.astype(jnp.float32) - target.astype(jnp.float32))


def pixel_loss(
    image: Image, target: Image, *, chroma_weight: float = 10.0
) -> Float[Array, ""]:
    """Returns the mean squared difference of luma and of weighted color differences.

    In RGB, 87 % of the variance of photographs and paintings (in means over 8 px) is
    luma, so a decoder would learn grays long before it learns colors.

    Args:
        image: RGB, here not limited to [0, 1].
        target: RGB in [0, 1].
        chroma_weight: Weight of each of the two color differences; the ratio of luma's
            variance to theirs balances the three.
    """
    difference = (image - target).astype(jnp.float32)
    components = difference @ jnp.array(LUMA_CHROMA).T
    weights = jnp.array([1.0, chroma_weight, chroma_weight])
    return (jnp.square(components) * weights).sum(axis=-1).mean()


def total_variation_loss(image: Image) -> Float[Array, ""]:
    """Returns the summed mean squared differences of vertical and horizontal neighbors.

    A direction in which the image has only one pixel adds 0.

    Example:
        >>> import jax.numpy as jnp
        >>> float(total_variation_loss(jnp.array([[[[0.0] * 3, [0.5] * 3]]])))
        0.25
    """
    steps = [jnp.diff(image, axis=axis) for axis in (1, 2)]
    return sum((mean_square(x) for x in steps if x.size), start=jnp.zeros(()))


def out_of_range_loss(image: Image) -> Float[Array, ""]:
    """Returns the mean squared distance of values from the range [0, 1].

    A network without a limit at its output can reduce its loss with values that no
    picture has; when clipped, they become spots of pure color.

    Example:
        >>> import jax.numpy as jnp
        >>> float(out_of_range_loss(jnp.full((1, 2, 2, 3), 1.5)))
        0.25
    """
    return mean_square(image - jnp.clip(image, 0.0, 1.0))


def grid_loss(image: Image) -> Float[Array, ""]:
    """Returns the mean square of patterns that repeat every 4 px, in 32 px windows.

    A decoder that upsamples twice by 2 can reduce a style loss by stripes that repeat
    with its grid. These remain in the mean of a window's 8 x 8 squares of 4 px; other
    texture averages out. The loss uses the Laplacian, so that gradients in brightness
    do not count. Images below 34 px, whose interior has no window, add 0.

    Example:
        >>> import jax.numpy as jnp
        >>> stripes = jnp.tile(jnp.array([0.1, 0.0, -0.1, 0.0]), 9)
        >>> image = jnp.broadcast_to(stripes[:, None], (1, 36, 36, 3))
        >>> round(float(grid_loss(image)), 4)
        0.02
    """
    rows, columns = ((side - 2) // _WINDOW_PX for side in image.shape[1:3])
    if not rows or not columns:
        return jnp.zeros(())
    image = image[:, : rows * _WINDOW_PX + 2, : columns * _WINDOW_PX + 2]
    near = [image[:, :-2, 1:-1], image[:, 2:, 1:-1]]
    near += [image[:, 1:-1, :-2], image[:, 1:-1, 2:]]
    laplacian = 4 * image[:, 1:-1, 1:-1] - sum(near[1:], near[0])
    squares = _WINDOW_PX // _PERIOD_PX
    shape = (-1, rows, squares, _PERIOD_PX, columns, squares, _PERIOD_PX, 3)
    return mean_square(laplacian.reshape(shape).mean(axis=(2, 5)))


REGULARIZERS: Mapping[str, Callable[[Image], Float[Array, ""]]] = MappingProxyType(
    {
        "total_variation": total_variation_loss,
        "out_of_range": out_of_range_loss,
        "grid": grid_loss,
    }
)
"""By the name that a method's weights have for it."""


def regularize(image: Image, weights: Losses) -> dict[str, Float[Array, ""]]:
    """Returns the regularizers that have a weight, by name."""
    return {k: loss(image) for k, loss in REGULARIZERS.items() if k in weights}
