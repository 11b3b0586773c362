"""Means and deviations that methods transfer: of contents, styles and mixes of them."""

from collections.abc import Mapping, Sequence
from typing import Any

import jax.numpy as jnp
from jaxtyping import Array, Float

from styleflax.methods.base import Masks
from styleflax.ops.spatial import area_average
from styleflax.ops.statistics import (
    Moments,
    channel_mean_std,
    moments_mean_std,
    region_moments,
)
from styleflax.types import FeatureMap, FeatureMaps


def feature_moments(features: FeatureMaps, masks: Masks) -> dict[str, Moments]:
    """Moments of every region at every layer; `Method.moments` of most methods."""
    found = {}
    for layer, feature in features.items():
        cells = area_average(layer_masks(masks, layer), *feature.shape[1:3])
        found[layer] = region_moments(feature, cells)
    return found


def style_moments(
    feature: FeatureMap, mask: Float[Array, "1 _ _"] | None, **statistics: Any
) -> dict[str, Float[Array, "b c"]]:
    """The mean and std of a style's feature, or of the part of it under a mask.

    Args:
        feature: Feature of the style.
        mask: The part, of any size; None for all.
        statistics: Arguments of `ops.statistics`.
    """
    if mask is None:
        mean, std = channel_mean_std(feature, **statistics)
    else:
        part = area_average(mask, *feature.shape[1:3])
        by_region = moments_mean_std(region_moments(feature, part), **statistics)
        mean, std = (value[:, 0] for value in by_region)
    return {"mean": mean, "std": std}


def mix_moments(
    styles: Sequence[Mapping[str, Float[Array, "_ c"]]], weights: Float[Array, "r s"]
) -> tuple[Float[Array, "r c"], Float[Array, "r c"]]:
    """The weighted mean and std of every region; styles as `style_moments` has them."""
    mean, std = (
        weights @ jnp.concatenate([style[name] for style in styles])
        for name in ("mean", "std")
    )
    return mean, std


def layer_masks(masks: Masks, layer: str) -> Float[Array, "r h w"]:
    """The masks to be averaged over the grid of that layer."""
    return masks[layer] if isinstance(masks, Mapping) else masks
