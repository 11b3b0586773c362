"""Covariances of channels as a style loss: deep CORAL (Sun and Saenko 2016)."""

import jax.numpy as jnp
from jaxtyping import Array, Float

from styleflax.ops.statistics import gram_matrix
from styleflax.types import FeatureMap


def covariance_matrix(feature: FeatureMap) -> Float[Array, "b c c"]:
    """Unbiased covariances of all pairs of channels over positions, in float32.

    That of a single position is 0.
    """
    x = feature.astype(jnp.float32)
    positions = x.shape[1] * x.shape[2]
    centered = x - x.mean(axis=(1, 2), keepdims=True)
    return gram_matrix(centered) * (positions / max(positions - 1, 1))


def covariance_loss(
    feature: FeatureMap, target: Float[Array, "b c c"]
) -> Float[Array, ""]:
    """Squared Frobenius distance of covariance matrices, over 4 c^2.

    Unlike a Gram matrix, a
    covariance knows nothing of the channels' means, so that colors and brightness
    are free: pair it with a term that holds the means, such as `mmd_linear`.

    Args:
        feature: Feature map of the stylized image.
        target: `covariance_matrix` of the style.
    """
    difference = covariance_matrix(feature) - target
    return jnp.square(difference).mean() / 4.0
