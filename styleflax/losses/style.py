"""Style losses: distances between statistics of features, over all positions."""

from collections.abc import Mapping

import jax.numpy as jnp
from jaxtyping import Array, Float

from styleflax.ops.statistics import channel_mean_std
from styleflax.types import FeatureMaps

REDUCTIONS = ("channel_mean", "channel_sum")
MeanStd = tuple[Float[Array, "b _"], Float[Array, "b _"]]


def mean_std_loss(
    features: FeatureMaps,
    targets: Mapping[str, MeanStd],
    *,
    reduction: str = "channel_mean",
    ddof: int = 0,
    eps: float = 1e-5,
) -> Float[Array, ""]:
    """Squared differences of channel means and deviations, summed over layers.

    Huang and Belongie 2017, equation 13.

    Args:
        features: Features of the stylized image.
        targets: Mean and standard deviation of the style at every layer to
            compare.
        reduction: `channel_mean` averages over channels (naoto0804's code),
            `channel_sum` sums over them (the authors' Lua code), which weighs
            deep layers more. Both average over the batch.
        ddof: Of the variances; see `channel_mean_std`.
        eps: Added to the variances.

    Raises:
        ValueError: If the reduction is unknown.
    """
    if reduction not in REDUCTIONS:
        raise ValueError(f"reduction must be one of {REDUCTIONS}, got {reduction!r}")
    total = jnp.zeros(())
    for layer, (target_mean, target_std) in targets.items():
        mean, std = channel_mean_std(features[layer], ddof=ddof, eps=eps)
        squares = jnp.square(mean - target_mean) + jnp.square(std - target_std)
        channels = mean.shape[-1] if reduction == "channel_sum" else 1
        total = total + squares.mean() * channels
    return total
