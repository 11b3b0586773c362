"""Features of methods: the encoders that give them, and the moments they transfer.

One encoder judges, and is frozen; the one that stylizes is the same or its copy.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax.typing import DTypeLike
from jaxtyping import Array, Float

from styleflax.config import Pooling
from styleflax.methods.base import Masks, Variables
from styleflax.models.vgg import BLOCK_INPUT, VGG
from styleflax.ops.spatial import Extent, area_average
from styleflax.ops.statistics import (
    Moments,
    channel_mean_std,
    moments_mean_std,
    region_moments,
)
from styleflax.types import FeatureMap, FeatureMaps, Image, Params

Judge = Callable[[FeatureMaps], dict[str, Array]]


class FrozenEncoder(NamedTuple):
    """Runs `frozen["encoder"]`, whatever network that is.

    Attributes:
        dtype: Compute type.
        remat: Keep only what enters the encoder's blocks until the gradient of
            `judge` is computed, and compute the rest again: less memory, one
            more pass through the encoder, the same result up to rounding.
        pooling: Pooling of the network; `max` is what it was trained with.
    """

    dtype: DTypeLike
    remat: bool = False
    pooling: Pooling = "max"

    def __call__(
        self,
        frozen: Params,
        image: Image,
        layers: tuple[str, ...],
        extent: Extent | None = None,
    ) -> FeatureMaps:
        """Features of the image, or of what of it `extent` says."""
        params = frozen["encoder"]
        encoder = VGG.of_params(params, layers, self.dtype, self.pooling)
        return encoder.apply({"params": params}, image, extent)

    def judge(
        self, frozen: Params, image: Image, layers: tuple[str, ...], losses: Judge
    ) -> dict[str, Array]:
        """Losses of the image's features, to be differentiated."""

        def judged(frozen: Params, image: Image) -> dict[str, Array]:
            return losses(self(frozen, image, layers))

        if self.remat:
            kept = jax.checkpoint_policies.save_only_these_names(BLOCK_INPUT)
            judged = jax.checkpoint(judged, policy=kept)
        return judged(frozen, image)


class StylizingEncoder(NamedTuple):
    """The encoder whose features are given a style: the judge, or a copy of its own.

    Attributes:
        judge: Runs `frozen["encoder"]`.
        layers: Layers of its features.
        is_trained: Whether it is `players["model"]["encoder"]`, which is trained.
    """

    judge: FrozenEncoder
    layers: tuple[str, ...]
    is_trained: bool

    def __call__(
        self, own: Params, frozen: Params, image: Image, extent: Extent | None = None
    ) -> FeatureMaps:
        """Features of the image; `own` are the player's parameters."""
        used = {"encoder": own["encoder"]} if self.is_trained else frozen
        return self.judge(used, image, self.layers, extent)

    def content(
        self,
        variables: Variables,
        frozen: Params,
        image: Image,
        extent: Extent | None = None,
    ) -> FeatureMaps:
        """The same, as `Method.encode_content`."""
        return self(variables.players["model"], frozen, image, extent)

    def with_judge(
        self, own: Params, frozen: Params, images: Image, layers: tuple[str, ...]
    ) -> tuple[FeatureMaps, FeatureMaps]:
        """Its features, and the judge's at `layers`, which hold its own."""
        seen = self.judge(frozen, images, layers)
        features = self(own, frozen, images) if self.is_trained else seen
        return {layer: features[layer] for layer in self.layers}, seen


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
