"""Matching of every channel's histogram (Risser et al. 2017), by sorting."""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from styleflax.types import FeatureMap


def sorted_channels(feature: FeatureMap) -> Float[Array, "b c n"]:
    """Every channel's values over positions, rising, in float32."""
    b, h, w, c = feature.shape
    flat = feature.astype(jnp.float32).reshape(b, h * w, c)
    return jnp.sort(flat.swapaxes(1, 2), axis=2)


def histogram_loss(
    feature: FeatureMap, target: Float[Array, "b c _"]
) -> Float[Array, ""]:
    """Mean squared distance of values to what histogram matching makes of them.

    The value of some rank in its channel is to become the style's value of the same
    rank; where sizes differ, the style's quantile between ranks. No gradient goes
    through the matching. Risser et al. match histograms of bins, and sum where this
    is a mean over positions and channels.

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
    """Quantiles of sorted values at the middle of each of `number` equal parts.

    Interpolated linearly between values, each of which stands for the middle of its
    own part; for as many as there are, the values themselves.
    """
    size = values.shape[2]
    places = (np.arange(number) + 0.5) * (size / number) - 0.5
    places = places.clip(0, size - 1)
    below = np.floor(places).astype(np.int32)
    above = np.minimum(below + 1, size - 1)
    share = (places - below).astype(np.float32)
    return values[:, :, below] * (1.0 - share) + values[:, :, above] * share
