"""The encoders of methods: the frozen one that judges, and the one that stylizes."""

from collections.abc import Callable
from typing import NamedTuple

import jax
from jax.typing import DTypeLike
from jaxtyping import Array

from styleflax.config import Pooling
from styleflax.methods.base import Variables
from styleflax.models.vgg import BLOCK_INPUT, VGG
from styleflax.ops.spatial import Extent
from styleflax.types import FeatureMaps, Image, Params

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
