"""The decoder of AdaIN and SANet: the encoder up to relu4_1, mirrored."""

from collections.abc import Mapping

import flax.linen as nn
import jax.numpy as jnp
from flax.core import FrozenDict
from jax.typing import DTypeLike
from jaxtyping import Array, Float

from styleflax.models.layers import ReflectConv, scale_channels
from styleflax.ops.spatial import Extent

# Output channels, named as the encoder's layers that they mirror. Those that
# follow a pool there follow an upsampling here.
LAYERS: Mapping[str, int] = FrozenDict(
    {
        "conv4_1": 256,
        "conv3_4": 256,
        "conv3_3": 256,
        "conv3_2": 256,
        "conv3_1": 128,
        "conv2_2": 128,
        "conv2_1": 64,
        "conv1_2": 64,
        "conv1_1": 3,
    }
)
UPSAMPLED = frozenset({"conv3_4", "conv2_2", "conv1_2"})


class Decoder(nn.Module):
    """RGB images, meant for [0, 1] but not clipped, from relu4_1 features.

    Nine 3x3 convolutions with reflection padding, nearest upsampling where the
    encoder pools, and no normalization, which would undo the style's statistics
    (Huang and Belongie 2017, section 6; layers as in their published code).

    Attributes:
        dtype: Compute type; the image is float32.
        native: Convolve by XLA's own operations alone; see `ops.conv`.
        width: Factor on the channels; see `layers.scale_channels`.

    Example:
        >>> import jax
        >>> import jax.numpy as jnp
        >>> feature = jnp.zeros((1, 2, 3, 512))
        >>> decoder = Decoder()
        >>> init = decoder.init_with_output
        >>> jax.eval_shape(init, jax.random.key(0), feature)[0].shape
        (1, 16, 24, 3)
    """

    dtype: DTypeLike = jnp.float32
    native: bool = False
    width: float = 1.0

    @nn.compact
    def __call__(
        self,
        features: Float[Array, "b h w c"],
        extent: Extent | None = None,
    ) -> Float[Array, "b h8 w8 3"]:
        """Images of eight times the height and width of `features`.

        Args:
            features: At relu4_1.
            extent: What of `features` is the picture's; None for all of it.
        """
        x = features
        for name, full in LAYERS.items():
            channels = full if name == "conv1_1" else scale_channels(full, self.width)
            upsample = name in UPSAMPLED
            conv = ReflectConv(channels, upsample, self.dtype, self.native, name=name)
            x = conv(x, extent)
            if upsample and extent is not None:
                extent = extent.grown(2)
            if name != "conv1_1":
                x = nn.relu(x)
        return x.astype(jnp.float32)
