"""Losses of pixels: the reconstruction of an image, and penalties on the result."""

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from styleflax.config import Losses
from styleflax.ops.statistics import mean_square
from styleflax.types import Image

_PERIOD_PX, _SQUARES = 8, 6
_WINDOW_PX = 32
_LONGEST_PERIOD_PX = 9.0
_ROUNDING = 1e-6
"""Power of the noise of 8 bits, 1 / (12 * 255**2), at every frequency."""

# From RGB to luma and the two color differences of ITU-R BT.601, as in JPEG.
LUMA_CHROMA = (
    (0.299, 0.587, 0.114),
    (-0.168736, -0.331264, 0.5),
    (0.5, -0.418688, -0.081312),
)


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
    """Returns the mean square of patterns that repeat every 8 px, in 48 px windows.

    A decoder that upsamples three times by 2 can reduce a style loss by stripes or
    rings that repeat with its grid of 2, 4 or 8 px. These remain in the mean of a
    window's 6 x 6 squares of 8 px; other texture averages out. Windows overlap where
    they must to reach from border to border. The loss uses the Laplacian, so that
    gradients in brightness do not count. Images below 50 px, whose interior has no
    window, add 0.

    Example:
        >>> import jax.numpy as jnp
        >>> stripes = jnp.tile(jnp.array([0.1, 0.0, -0.1, 0.0]), 13)
        >>> image = jnp.broadcast_to(stripes[:, None], (1, 52, 52, 3))
        >>> round(float(grid_loss(image)), 4)
        0.02
    """
    rows, columns = ((side - 2) // _PERIOD_PX for side in image.shape[1:3])
    if min(rows, columns) < _SQUARES:
        return jnp.zeros(())
    image = image[:, : rows * _PERIOD_PX + 2, : columns * _PERIOD_PX + 2]
    near = [image[:, :-2, 1:-1], image[:, 2:, 1:-1]]
    near += [image[:, 1:-1, :-2], image[:, 1:-1, 2:]]
    laplacian = 4 * image[:, 1:-1, 1:-1] - sum(near[1:], near[0])
    squares = laplacian.reshape(-1, rows, _PERIOD_PX, columns, _PERIOD_PX, 3)
    for axis, count in ((1, rows), (3, columns)):
        starts = np.linspace(0, count - _SQUARES, -(-count // _SQUARES)).round()
        windows = [
            jax.lax.slice_in_dim(squares, i, i + _SQUARES, axis=axis).mean(axis=axis)
            for i in starts.astype(int).tolist()
        ]
        squares = jnp.stack(windows, axis=axis)
    return mean_square(squares)


def spectrum_loss(
    image: Image, sources: Sequence[Float[Array, "_ _ _ 3"]] = ()
) -> Float[Array, ""]:
    """Returns the mean squared log of the power that no source has, of fine patterns.

    A network can reduce a style loss by stripes or ripples of a fixed frequency, to
    which the judge's features are nearly blind. Power is a mean over windows of 32 px
    and over channels, at periods below 9 px; less than that of the noise of 8 bits does
    not count. Images below 32 px, which have no window, add 0.

    Args:
        image: RGB in [0, 1]; values beyond it are allowed.
        sources: RGB in [0, 1], of any size from 32 px: what may appear in the image,
            one for each or one for all. Without any, all power counts.

    Example:
        >>> import jax.numpy as jnp
        >>> stripes = jnp.tile(jnp.array([0.6, 0.5, 0.4, 0.5]), 8)
        >>> image = jnp.broadcast_to(stripes[:, None], (1, 32, 32, 3))
        >>> round(float(spectrum_loss(image)), 2)
        2.54
        >>> float(spectrum_loss(image, [jnp.swapaxes(image, 1, 2)])) > 0.5
        True
        >>> float(spectrum_loss(image, [image]))
        0.0
    """
    if min(image.shape[1:3]) < _WINDOW_PX:
        return jnp.zeros(())
    allowed = jnp.full((), _ROUNDING)
    for source in sources:
        if min(source.shape[1:3]) >= _WINDOW_PX:
            allowed = jnp.maximum(allowed, _fine_power(source))
    excess = jnp.log(jnp.maximum(_fine_power(image), allowed) / allowed)
    return mean_square(excess)


def _fine_power(image: Image) -> Float[Array, "b f"]:
    """The mean power of windows that overlap by half, at periods below 9 px."""
    half = _WINDOW_PX // 2
    rows, columns = (side // half for side in image.shape[1:3])
    blocks = image[:, : rows * half, : columns * half].astype(jnp.float32)
    blocks = blocks.reshape(-1, rows, half, columns, half, 3)
    tall = jnp.concatenate([blocks[:, :-1], blocks[:, 1:]], axis=2)
    windows = jnp.concatenate([tall[:, :, :, :-1], tall[:, :, :, 1:]], axis=4)
    windows = windows - windows.mean(axis=(2, 4), keepdims=True)
    taper = np.hanning(_WINDOW_PX + 1)[:-1]
    taper = np.outer(taper, taper) / np.square(taper).sum()
    found = jnp.fft.rfft2(windows * taper[:, None, :, None], axes=(2, 4))
    power = (jnp.square(found.real) + jnp.square(found.imag)).mean(axis=(1, 3, 5))
    frequency = np.hypot(
        np.fft.fftfreq(_WINDOW_PX)[:, None], np.fft.rfftfreq(_WINDOW_PX)
    )
    return power[:, frequency > 1 / _LONGEST_PERIOD_PX]


_OF_RESULT: Mapping[str, Callable[[Image], Float[Array, ""]]] = MappingProxyType(
    {
        "total_variation": total_variation_loss,
        "out_of_range": out_of_range_loss,
        "grid": grid_loss,
    }
)
REGULARIZERS = (*_OF_RESULT, "spectrum")
"""Names that a method's weights have for them."""


def regularize(
    image: Image, sources: Sequence[Float[Array, "_ _ _ 3"]], weights: Losses
) -> dict[str, Float[Array, ""]]:
    """Returns the regularizers that have a weight, by name.

    Args:
        image: RGB, the result.
        sources: The contents and the styles that it is made of.
        weights: Weights of all losses, by name.
    """
    found = {k: loss(image) for k, loss in _OF_RESULT.items() if k in weights}
    if "spectrum" in weights:
        found["spectrum"] = spectrum_loss(image, sources)
    return found
