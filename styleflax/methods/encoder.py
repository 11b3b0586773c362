"""The frozen encoder as methods run it: on pictures, and to judge results."""

from collections.abc import Callable
from typing import NamedTuple

import jax
from jax.typing import DTypeLike
from jaxtyping import Array

from styleflax.models.vgg import BLOCK_INPUT, VGG, Pooling
from styleflax.ops.extent import Extent
from styleflax.types import FeatureMaps, Image, Params

Judge = Callable[[FeatureMaps], dict[str, Array]]


class FrozenEncoder(NamedTuple):
    """Runs `frozen["encoder"]`, whatever network that is.

    Attributes:
        dtype: Compute type.
        remat: Keep only what enters the encoder's blocks until the gradient of
            `judge` is computed, and compute the rest again: less memory, one
            more pass through the encoder, the same result up to rounding.
        pooling: Of the network; `max` is what it was trained with.
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
