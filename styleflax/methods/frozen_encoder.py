"""The frozen encoder as methods run it: on pictures, and to judge results."""

from collections.abc import Callable
from typing import NamedTuple

from jax.typing import DTypeLike
from jaxtyping import Array

from styleflax.models.vgg import VGG
from styleflax.types import FeatureMaps, Image, Params

Judge = Callable[[FeatureMaps], dict[str, Array]]


class FrozenEncoder(NamedTuple):
    """Runs `frozen["encoder"]`, whatever network that is.

    Attributes:
        dtype: Compute type.
        native: Use XLA's own convolution also on CPU; see `ops.conv`.
    """

    dtype: DTypeLike
    native: bool

    def __call__(
        self, frozen: Params, image: Image, layers: tuple[str, ...]
    ) -> FeatureMaps:
        """Features of the image."""
        params = frozen["encoder"]
        encoder = VGG.of_params(params, layers, self.dtype, self.native)
        return encoder.apply({"params": params}, image)

    def judge(
        self, frozen: Params, image: Image, layers: tuple[str, ...], losses: Judge
    ) -> dict[str, Array]:
        """Losses of the image's features, to be differentiated."""
        return losses(self(frozen, image, layers))
