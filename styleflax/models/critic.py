"""The critic of an adversarial style loss: scores of patches of features."""

import flax.linen as nn
import jax.numpy as jnp
from jax.typing import DTypeLike
from jaxtyping import Array, Float

from styleflax.models.vgg import ReflectConv, scale_channels
from styleflax.types import FeatureMap


class PatchCritic(nn.Module):
    """Returns the scores of 5x5 patches of a feature map: how much like the style.

    Two convolutions and a score, following the critics on features of Li and Wand 2016
    (MGAN). There is no normalization, so a score depends only on its patch.

    Attributes:
        width: Factor on the 128 channels within; see `models.vgg.scale_channels`.
        dtype: Compute type; parameters and scores are float32.
    """

    width: float = 1.0
    dtype: DTypeLike = jnp.float32

    @nn.compact
    def __call__(self, feature: FeatureMap) -> Float[Array, "b h w"]:
        """One score a position, without limits."""
        x, channels = feature, scale_channels(128, self.width)
        for name in ("conv1", "conv2"):
            conv = ReflectConv(channels, dtype=self.dtype, name=name)
            x = nn.leaky_relu(conv(x), 0.2)
        scores = nn.Dense(1, dtype=self.dtype, name="score")(x)[..., 0]
        return scores.astype(jnp.float32)
