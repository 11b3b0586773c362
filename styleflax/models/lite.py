"""A small encoder and decoder of its own, for arbitrary styles in real time.

Features are taken at a half, a quarter and an eighth of the image's size, and the
decoder receives all three, so that edges need not pass through the coarsest. Channels
are few where positions are many. Nothing is normalized inside: a style's statistics
enter between the two networks (Huang and Belongie 2017), at three depths instead of
one, as MicroAST (Wang et al. 2023) modulates two.
"""

import flax.linen as nn
import jax.numpy as jnp
from jax.typing import DTypeLike
from jaxtyping import Array, Float

from styleflax.models.layers import HalvingConv, ReflectConv, scale_channels
from styleflax.ops.spatial import Extent
from styleflax.types import FeatureMaps, Image

_SLOPE = 0.1
"""Of activations below 0: with 0, a network of few channels lost all of them to a large
step, and painted one gray from then on."""

LEVELS = ("half", "quarter", "eighth")
"""Names of the features, by their share of the image's height and width."""
CHANNELS = (32, 64, 128)
"""Channels of each level at width 1."""
FACTORS = (2, 4, 8)
"""Pixels of a position along each side, by level."""


def level_channels(width: float) -> tuple[int, ...]:
    """Channels of every level at that width: multiples of 4, at least 4.

    Raises:
        ValueError: If the width is not possible; see `layers.scale_channels`.
    """
    return tuple(scale_channels(c, width) for c in CHANNELS)


class LiteEncoder(nn.Module):
    """Features of RGB images in [0, 1] by the names in `LEVELS`.

    Attributes:
        width: Factor on the channels.
        dtype: Compute type; parameters are float32.
    """

    width: float = 1.0
    dtype: DTypeLike = jnp.float32

    @nn.compact
    def __call__(self, images: Image, extent: Extent | None = None) -> FeatureMaps:
        """Features at every level, for any height and width from 1 px.

        Args:
            images: With an even size at every level, if there is an extent.
            extent: What of `images` is the picture's; None for all of it.
        """
        x: Array = images.astype(self.dtype) - 0.5
        features = {}
        for level, channels in zip(LEVELS, level_channels(self.width), strict=True):
            settings = (channels, self.dtype)
            x = HalvingConv(*settings, name=f"{level}_down")(x, extent)
            extent = None if extent is None else extent.shrunk(2)
            if level != "half":  # where a convolution costs most
                x = _Residual(*settings, name=f"{level}_residual")(
                    leaky_relu(x), extent
                )
            features[level] = x
        return features


class LiteDecoder(nn.Module):
    """RGB images, meant for [0, 1] but not clipped, from the features of all levels.

    Attributes:
        width: Factor on the channels; that of the encoder.
        dtype: Compute type; the image is float32.
        native: Enlarge maps before they are convolved; see `ops.conv`.
    """

    width: float = 1.0
    dtype: DTypeLike = jnp.float32
    native: bool = False

    @nn.compact
    def __call__(
        self, features: FeatureMaps, extent: Extent | None = None
    ) -> Float[Array, "b h w 3"]:
        """Images of twice the height and width of the `half` features.

        Args:
            features: At every level.
            extent: What of the image is the picture's; None for all of it.
        """
        channels = level_channels(self.width)
        x: Array | None = None
        for level, factor, width in zip(
            reversed(LEVELS), reversed(FACTORS), reversed(channels), strict=True
        ):
            skip = features[level].astype(self.dtype)
            settings = (width, self.dtype)
            within = None if extent is None else extent.shrunk(factor)
            if x is None:
                x = skip
            else:
                above = None if extent is None else extent.shrunk(2 * factor)
                enlarge = ReflectConv(
                    width, True, self.dtype, self.native, gain=1.0, name=f"{level}_up"
                )
                # An odd side was rounded up on the way down.
                x = enlarge(x, above)[:, : skip.shape[1], : skip.shape[2]] + skip
            x = _Residual(*settings, name=f"{level}_residual")(x, within)
        assert x is not None
        half = None if extent is None else extent.shrunk(2)
        last = max(channels[0] // 2, 4)
        x = ReflectConv(last, True, self.dtype, self.native, gain=1.0, name="image_up")(
            x, half
        )
        grown = None if half is None else half.grown(2)
        image = ReflectConv(3, False, self.dtype, gain=0.1, name="image")
        return image(leaky_relu(x), grown).astype(jnp.float32) + 0.5


class _Residual(nn.Module):
    """Two convolutions added to what enters them (He et al. 2016)."""

    features: int
    dtype: DTypeLike

    @nn.compact
    def __call__(
        self, x: Float[Array, "b h w c"], extent: Extent | None
    ) -> Float[Array, "b h w c"]:
        def conv(name: str, gain: float) -> ReflectConv:
            return ReflectConv(self.features, False, self.dtype, gain=gain, name=name)

        # Begins as nothing, so that the sums of a deep network do not grow.
        inner = leaky_relu(conv("conv_1", 1.0)(x, extent))
        return x + conv("conv_2", 0.0)(inner, extent)


def leaky_relu(x: Float[Array, "b h w c"]) -> Float[Array, "b h w c"]:
    """The map with values below 0 shrunk (Maas et al. 2013)."""
    return nn.leaky_relu(x, _SLOPE)
