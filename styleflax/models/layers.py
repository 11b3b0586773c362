"""The 3x3 convolutions that the networks here are made of."""

import flax.linen as nn
import jax.numpy as jnp
import numpy as np
from flax.errors import ScopeParamShapeError
from jax.typing import DTypeLike
from jaxtyping import Array, Float

from styleflax.ops.conv import (
    conv3x3_reflect,
    reflect_pad,
    upsample_conv3x3_reflect,
    valid_conv,
)
from styleflax.ops.spatial import Extent, refill


def scale_channels(channels: int, width: float) -> int:
    """The channels of a layer at that width: a multiple of 4, at least 4.

    Args:
        channels: At width 1; kept as they are there.
        width: Factor, above 0 and at most 8.

    Raises:
        ValueError: If the width is not possible.
    """
    if not isinstance(width, int | float) or not 0 < width <= 8:
        raise ValueError(f"width must be above 0 and at most 8, got {width!r}")
    return channels if width == 1 else max(round(channels * width / 4) * 4, 4)


def find_param(
    module: nn.Module,
    name: str,
    init: nn.initializers.Initializer,
    shape: tuple[int, ...],
) -> Float[Array | np.ndarray, "..."]:
    """A parameter of a module, which is drawn only where the module begins.

    `nn.Module.param` traces the draw at every call, to compare shapes: a quarter of the
    time that tracing a network takes.

    Args:
        module: It is being called.
        name: Of the parameter.
        init: What draws it.
        shape: Its shape.

    Raises:
        flax.errors.ScopeParamShapeError: If the given parameter has another shape.
    """
    if not module.has_variable("params", name):
        return module.param(name, init, shape)
    value: Array | np.ndarray = module.get_variable("params", name)
    if value.shape != shape:
        path = "/".join(module.path)
        raise ScopeParamShapeError(name, path, value.shape, shape)
    return value


class ReflectConv(nn.Module):
    """3x3 convolution of stride 1 with reflection padding: the size stays.

    Attributes:
        features: Output channels.
        upsample: Repeat every position twice along both sides first.
        dtype: Compute type; parameters are float32.
        native: Convolve by XLA's own operations alone; see `ops.conv`.
        gain: Variance of the kernel before training, times its inputs: 2 after a ReLU
            (He et al. 2015), 1 keeps a variance, 0 begins as nothing.
    """

    features: int
    upsample: bool = False
    dtype: DTypeLike = jnp.float32
    native: bool = False
    gain: float = 2.0

    @nn.compact
    def __call__(
        self, x: Float[Array, "b h w c"], extent: Extent | None = None
    ) -> Float[Array, "b h2 w2 features"]:
        """Convolved map, of twice the height and width where it is upsampled.

        Args:
            x: The map.
            extent: What of `x` is the picture's; None for all of it.
        """
        if extent is not None:
            x = refill(x, extent, inner=0 if self.upsample else 1)
        shape = (3, 3, x.shape[-1], self.features)
        init = nn.initializers.variance_scaling(self.gain, "fan_in", "truncated_normal")
        kernel = find_param(self, "kernel", init, shape)
        bias = find_param(self, "bias", nn.initializers.zeros, (self.features,))
        operands = (jnp.asarray(value, self.dtype) for value in (x, kernel, bias))
        if self.upsample:
            return upsample_conv3x3_reflect(*operands, native=self.native)
        return conv3x3_reflect(*operands, native=self.native)


class HalvingConv(nn.Module):
    """3x3 convolution of stride 2 with reflection padding: sides halve, rounded up.

    Attributes:
        features: Output channels.
        dtype: Compute type; parameters are float32.
        gain: Variance of the kernel before training, times its inputs.
    """

    features: int
    dtype: DTypeLike = jnp.float32
    gain: float = 1.0

    @nn.compact
    def __call__(
        self, x: Float[Array, "b h w c"], extent: Extent | None = None
    ) -> Float[Array, "b h2 w2 features"]:
        """Convolved map of half the height and width.

        Args:
            x: The map.
            extent: What of `x` is the picture's; None for all of it.
        """
        if extent is not None:
            x = refill(x, extent, inner=1)
        shape = (3, 3, x.shape[-1], self.features)
        init = nn.initializers.variance_scaling(self.gain, "fan_in", "truncated_normal")
        kernel = find_param(self, "kernel", init, shape)
        bias = find_param(self, "bias", nn.initializers.zeros, (self.features,))
        x, kernel, bias = (jnp.asarray(v, self.dtype) for v in (x, kernel, bias))
        return valid_conv(reflect_pad(x), kernel, 2) + bias
