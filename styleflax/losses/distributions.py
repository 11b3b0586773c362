"""Style losses of one layer that compare the distributions of features.

Covariances of channels (deep CORAL; Sun and Saenko 2016), their histograms, matched by
sorting (Risser et al. 2017), and the maximum mean discrepancy (MMD).

Li et al. 2017 ("Demystifying neural style transfer") treat a feature map as a set of
samples, one per position, and a style as their distribution: the distance of two styles
is the mean of a kernel within each set minus twice its mean between them. Scalar
products are divided by the number of channels c here, so that layers of different
widths have equal weight.

The full statistic is a mean over all pairs of positions, a position with itself
included (biased, never negative). The sampled one is a mean over random disjoint pairs
(Gretton et al. 2012): linear in time, unbiased and noisy, so it can be negative.
"""

from collections.abc import Callable, Mapping
from functools import partial
from types import MappingProxyType

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from styleflax.ops.statistics import gram_matrix
from styleflax.types import FeatureMap, Key


def covariance_matrix(feature: FeatureMap) -> Float[Array, "b c c"]:
    """Returns unbiased covariances of all channel pairs over positions, in float32.

    The covariance of a single position is 0.
    """
    x = feature.astype(jnp.float32)
    positions = x.shape[1] * x.shape[2]
    centered = x - x.mean(axis=(1, 2), keepdims=True)
    return gram_matrix(centered) * (positions / max(positions - 1, 1))


def covariance_loss(
    feature: FeatureMap, target: Float[Array, "b c c"]
) -> Float[Array, ""]:
    """Returns the squared Frobenius distance of covariance matrices, divided by 4 c^2.

    Unlike a Gram matrix, a covariance does not depend on the channels' means, so colors
    and brightness are free: combine it with a term that compares means, such as
    `mmd_linear`.

    Args:
        feature: Feature map of the stylized image.
        target: `covariance_matrix` of the style.
    """
    difference = covariance_matrix(feature) - target
    return jnp.square(difference).mean() / 4.0


def sorted_channels(feature: FeatureMap) -> Float[Array, "b c n"]:
    """Returns every channel's values over positions in rising order, in float32."""
    b, h, w, c = feature.shape
    flat = feature.astype(jnp.float32).reshape(b, h * w, c)
    return jnp.sort(flat.swapaxes(1, 2), axis=2)


def histogram_loss(
    feature: FeatureMap, target: Float[Array, "b c _"]
) -> Float[Array, ""]:
    """Returns the mean squared distance of values to their histogram-matched values.

    The target of each value is the style's value of the same rank in its channel, or
    the interpolated quantile if sizes differ. The matching has no gradient. Risser et
    al. match histograms of bins, and use a sum instead of this mean over positions and
    channels.

    Args:
        feature: Feature map of the stylized image.
        target: `sorted_channels` of the style.

    Example:
        >>> import jax.numpy as jnp
        >>> feature = jnp.array([[[[1.0], [2.0]]]])
        >>> float(histogram_loss(feature, sorted_channels(feature[:, :, ::-1])))
        0.0
    """
    values = sorted_channels(feature)
    # In sorted order, values and what they are matched with stand side by side; the
    # gradient reaches every value at its place.
    matched = jax.lax.stop_gradient(resample_sorted(target, values.shape[2]))
    return jnp.square(values - matched).mean()


def resample_sorted(
    values: Float[Array, "b c m"], number: int
) -> Float[Array, "b c _"]:
    """Returns quantiles of sorted values at the middle of `number` equal parts.

    Values represent the middles of their own parts and are interpolated linearly; if
    `number` is the number of values, they are returned unchanged.
    """
    size = values.shape[2]
    places = (np.arange(number) + 0.5) * (size / number) - 0.5
    places = places.clip(0, size - 1)
    below = np.floor(places).astype(np.int32)
    above = np.minimum(below + 1, size - 1)
    share = (places - below).astype(np.float32)
    return values[:, :, below] * (1.0 - share) + values[:, :, above] * share


CHUNK = 2**21
"""Kernel values in memory at a time, for the full statistic of a Gaussian."""
_TINY = 1e-12

Samples = Float[Array, "n c"]
MeanAndGram = tuple[Float[Array, "b c"], Float[Array, "b c c"]]
PairKernel = Callable[
    [Samples, Samples, Samples, Samples, float, float], Float[Array, "4 n"]
]


def channel_mean(feature: FeatureMap) -> Float[Array, "b c"]:
    """Returns the mean over positions, in float32."""
    return feature.astype(jnp.float32).mean(axis=(1, 2))


def mean_and_gram(feature: FeatureMap) -> MeanAndGram:
    """Returns the statistics of a style that a second-order polynomial kernel uses."""
    return channel_mean(feature), gram_matrix(feature)


def linear_mmd_loss(
    feature: FeatureMap, target: Float[Array, "b c"]
) -> Float[Array, ""]:
    """Returns the MMD of the kernel x . y / c: the mean squared difference of means.

    Args:
        feature: Feature map of the stylized image.
        target: `channel_mean` of the style.

    Example:
        >>> import jax.numpy as jnp
        >>> feature = jnp.array([[[[1.0], [3.0]]]])
        >>> float(linear_mmd_loss(feature, channel_mean(feature + 2)))
        4.0
    """
    return jnp.square(channel_mean(feature) - target).mean()


def polynomial_mmd_loss(
    feature: FeatureMap, target: MeanAndGram, *, offset: float = 0.0
) -> Float[Array, ""]:
    """Returns the MMD of the kernel (x . y / c + offset)^2, over all pairs.

    Without offset this is the mean squared difference of the Gram matrices' entries,
    `style.gram_squared_loss`, exactly: the mean of (x . y)^2 over all pairs of two sets
    is the scalar product of their Gram matrices. With an offset, means are compared as
    well.

    Args:
        feature: Feature map of the stylized image.
        target: `mean_and_gram` of the style.
        offset: Value added before squaring, at least 0; 0 in the authors' code.
    """
    mean, gram = mean_and_gram(feature)
    of_means = 2.0 * offset * jnp.square(mean - target[0]).mean()
    return jnp.square(gram - target[1]).mean() + of_means


def gaussian_mmd_loss(
    feature: FeatureMap, style: Float[Array, "b _ _ c"], *, gamma: float = 1.0
) -> Float[Array, ""]:
    """Returns the MMD of the kernel exp(-gamma |x - y|^2 / bandwidth), over all pairs.

    The bandwidth is the mean squared distance over all pairs, within both sets and
    between them, computed in every step and for every image; it has no gradient. Time
    grows with the square of the number of positions, memory only linearly.

    Args:
        feature: Feature map of the stylized image.
        style: Feature map of the style, of any size.
        gamma: Above 1 for a narrower kernel.
    """
    pairs = (_samples(feature), _samples(style))
    statistic = partial(_gaussian_statistic, gamma)
    return jax.lax.map(lambda pair: statistic(*pair), pairs).mean()


def sampled_mmd_loss(
    feature: FeatureMap,
    style: Float[Array, "b _ _ c"],
    key: Key,
    *,
    kernel: str = "polynomial",
    offset: float = 0.0,
    gamma: float = 1.0,
) -> Float[Array, ""]:
    """Returns the MMD of random disjoint pairs of positions.

    All pictures of a batch use the same positions.

    Args:
        feature: Feature map of the stylized image.
        style: Feature map of the style, of any size.
        key: Chooses positions.
        kernel: A name in `PAIR_KERNELS`: the kernels of the losses above.
        offset: Offset of the polynomial kernel.
        gamma: Gamma of the Gaussian.

    Raises:
        ValueError: If the kernel is unknown.
    """
    if kernel not in PAIR_KERNELS:
        raise ValueError(f"kernel must be one of {list(PAIR_KERNELS)}, got {kernel!r}")
    x, y = _samples(feature), _samples(style)
    count = max(min(x.shape[1], y.shape[1]) // 2, 1)
    halves = []
    for samples, own_key in zip((x, y), jax.random.split(key), strict=True):
        order = jax.random.permutation(own_key, samples.shape[1])
        # A map of a single position is its own second half.
        chosen = order[jnp.arange(2 * count) % samples.shape[1]]
        halves += [samples[:, chosen[:count]], samples[:, chosen[count:]]]
    statistic = jax.vmap(partial(paired_statistic, kernel, offset=offset, gamma=gamma))
    return statistic(*halves).mean()


def paired_statistic(
    kernel: str,
    x: Samples,
    x2: Samples,
    y: Samples,
    y2: Samples,
    *,
    offset: float = 0.0,
    gamma: float = 1.0,
) -> Float[Array, ""]:
    """Mean of k(x, x2) + k(y, y2) - k(x, y2) - k(x2, y) over given pairs."""
    kernels = PAIR_KERNELS[kernel](x, x2, y, y2, offset, gamma)
    within_x, within_y, across, back = kernels
    return (within_x + within_y - across - back).mean()


def _samples(feature: FeatureMap) -> Float[Array, "b n c"]:
    b, h, w, c = feature.shape
    return feature.astype(jnp.float32).reshape(b, h * w, c)


def _gaussian_statistic(
    gamma: float, x: Samples, y: Float[Array, "m c"]
) -> Float[Array, ""]:
    # Distances stay what they are, and sums of squares small.
    middle = jax.lax.stop_gradient(y.mean(axis=0))
    x, y = x - middle, y - middle
    apart = jnp.square(x.mean(axis=0) - y.mean(axis=0)).sum()
    spread = x.var(axis=0).sum() + y.var(axis=0).sum()
    # Within a set, pairs are 2 * variance apart; between sets, both variances and
    # the distance of the means. This is the mean of xx, yy, xy and yx.
    bandwidth = jax.lax.stop_gradient(jnp.maximum(spread + apart / 2.0, _TINY))
    mean_kernel = partial(_mean_gaussian, bandwidth / gamma)
    return mean_kernel(x, x) + mean_kernel(y, y) - 2.0 * mean_kernel(x, y)


def _mean_gaussian(
    bandwidth: Float[Array, ""], x: Samples, y: Float[Array, "m c"]
) -> Float[Array, ""]:
    """Mean kernel of all pairs of `x` and `y`, some rows of the table at a time."""
    squares = jnp.square(y).sum(axis=1)

    @jax.checkpoint
    def row(one: Float[Array, " c"]) -> Float[Array, ""]:
        products = jnp.dot(y, one, precision="highest")
        distances = squares + jnp.square(one).sum() - 2.0 * products
        return jnp.exp(-jnp.maximum(distances, 0.0) / bandwidth).mean()

    rows = min(max(CHUNK // y.shape[0], 1), x.shape[0])
    return jax.lax.map(row, x, batch_size=rows).mean()


def _products(
    x: Samples, x2: Samples, y: Samples, y2: Samples, _offset: float, _gamma: float
) -> Float[Array, "4 n"]:
    pairs = ((x, x2), (y, y2), (x, y2), (x2, y))
    return jnp.stack([(a * b).mean(axis=1) for a, b in pairs])


def _polynomials(
    x: Samples, x2: Samples, y: Samples, y2: Samples, offset: float, gamma: float
) -> Float[Array, "4 n"]:
    return jnp.square(_products(x, x2, y, y2, offset, gamma) + offset)


def _gaussians(
    x: Samples, x2: Samples, y: Samples, y2: Samples, _offset: float, gamma: float
) -> Float[Array, "4 n"]:
    pairs = ((x, x2), (y, y2), (x, y2), (x2, y))
    distances = jnp.stack([jnp.square(a - b).sum(axis=1) for a, b in pairs])
    bandwidth = jax.lax.stop_gradient(jnp.maximum(distances.mean(), _TINY))
    return jnp.exp(-gamma * distances / bandwidth)


PAIR_KERNELS: Mapping[str, PairKernel] = MappingProxyType(
    {
        "linear": _products,
        "polynomial": _polynomials,
        "gaussian": _gaussians,
    }
)
"""Name -> (x, x2, y, y2, offset, gamma) -> kernels of (x, x2), (y, y2), (x, y2) and
(x2, y)."""
