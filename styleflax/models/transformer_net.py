"""The feed-forward network of Johnson et al. (2016) and Dumoulin et al. (2017)."""

from collections.abc import Callable
from typing import get_args

import flax.linen as nn
import jax.numpy as jnp
from jax.typing import DTypeLike
from jaxtyping import Array, Float

from styleflax.config import Norm, Output, Padding, Upsampling
from styleflax.models.vgg import CAFFE_MEAN_BGR, find_param
from styleflax.ops.conv import doubling_conv3x3, upsample_conv3x3_reflect, valid_conv
from styleflax.ops.spatial import reflection_pad
from styleflax.ops.statistics import mean_variance_norm
from styleflax.types import Image

Modulate = Callable[[str, Float[Array, "b h w c"]], Float[Array, "b h w c"]]
"""(layer, normalized map) -> the map with the scale and shift of a style."""

START_PAD_PX = 8
"""Border of `reflect-start` for a residual block: what its two unpadded convolutions at
a quarter of the size take away again."""
TANH_RANGE = 150.0
"""Range of the output around Caffe's mean, in [0, 255], as in fast-neural-style."""
EPS = 1e-5


class TransformerNet(nn.Module):
    """Returns stylized RGB images from images of any height and width.

    The layers are a 9x9 convolution, two convolutions of stride 2, five residual blocks
    without a ReLU after the sum, two upsamplings by 2, and a 9x9 convolution, with
    normalization and ReLU after every convolution except the last. The defaults are
    those of Johnson et al.'s published code (fast-neural-style), except for the input:
    it is RGB in [0, 1] here and Caffe's BGR there, which the first convolution can
    learn. A convolution followed by a normalization has no bias, since the
    normalization would remove or duplicate it.

    Attributes:
        norm: `batch` (statistics of the batch in training, the population's
            otherwise), `instance`, `conditional` (instance, with scale and shift
            from outside), `none`.
        width: Factor on the 32, 64 and 128 channels; the published networks with
            instance normalization have 0.5.
        residual_blocks: Number of residual blocks; the papers have 5.
        padding: `reflect-start` reflects 8 px per block around the image; convolutions
            in residual blocks are then not padded, and others are padded with zeros.
            `mirror` reflects at every convolution (Dumoulin et al.).
        upsampling: `transposed` convolutions, or `nearest` and a convolution, which
            leaves no checkerboard.
        output: `tanh`, 150 times tanh around Caffe's mean on a scale of 255, so pixels
            may leave [0, 1]; `sigmoid`; or `linear` on a scale of 255, where pixels may
            also leave the range (fast_neural_style of pytorch/examples).
        normalize_output: Whether the last convolution is normalized as well (Dumoulin
            et al.).
        kernel_std: Standard deviation of kernels before training; None for He's by
            size.
        dtype: Compute type; the image and statistics are float32.
        native: Convolve by XLA's own operations alone; see `ops.conv`.
    """

    norm: Norm = "batch"
    width: float = 1.0
    residual_blocks: int = 5
    padding: Padding = "reflect-start"
    upsampling: Upsampling = "transposed"
    output: Output = "tanh"
    normalize_output: bool = False
    kernel_std: float | None = None
    dtype: DTypeLike = jnp.float32
    native: bool = False

    @nn.compact
    def __call__(
        self, images: Image, modulate: Modulate | None = None, *, train: bool = False
    ) -> Image:
        """Images of the same size.

        Args:
            images: RGB in [0, 1].
            modulate: Scale and shift of every layer, for `conditional`.
            train: Normalize by the batch and update `batch_stats`, for `batch`.
        """
        border = "zero" if self.padding == "reflect-start" else "mirror"
        inner = "none" if self.padding == "reflect-start" else "mirror"

        def layer(name: str, x: Array, size: int = 3, **options: str | bool) -> Array:
            active = bool(options.pop("active", True))
            conv = _Conv(
                self.channels()[name],
                size,
                biased=not self._normalizes(name),
                kernel_std=self.kernel_std,
                dtype=self.dtype,
                native=self.native,
                name=name,
                **({"border": border} | options),
            )
            x = self._normalized(name, conv(x), modulate, train=train)
            return nn.relu(x) if active else x

        x = images.astype(self.dtype)
        if self.padding == "reflect-start":
            x = reflection_pad(x, START_PAD_PX * self.residual_blocks)
        x = layer("conv1", x, 9)
        x = layer("conv2", x, kind="halve")
        x = layer("conv3", x, kind="halve")
        for i in range(1, self.residual_blocks + 1):
            y = layer(f"residual{i}_1", x, border=inner)
            y = layer(f"residual{i}_2", y, border=inner, active=False)
            cut = (x.shape[1] - y.shape[1]) // 2
            x = y + x[:, cut : cut + y.shape[1], cut : cut + y.shape[2]]
        x = layer("up1", x, kind=self.upsampling)
        x = layer("up2", x, kind=self.upsampling)
        x = layer("conv_out", x, 9, active=False)
        x = x[:, : images.shape[1], : images.shape[2]]
        return self._colors(x.astype(jnp.float32))

    def channels(self) -> dict[str, int]:
        """Output channels by layer."""
        small, middle, wide = (max(round(c * self.width), 1) for c in (32, 64, 128))
        blocks = range(1, self.residual_blocks + 1)
        residual = {f"residual{i}_{j}": wide for i in blocks for j in (1, 2)}
        begin = {"conv1": small, "conv2": middle, "conv3": wide}
        return {**begin, **residual, "up1": middle, "up2": small, "conv_out": 3}

    def normalized_channels(self) -> dict[str, int]:
        """The same of those layers that are normalized."""
        return {k: c for k, c in self.channels().items() if self._normalizes(k)}

    def _normalizes(self, name: str) -> bool:
        return self.norm != "none" and (name != "conv_out" or self.normalize_output)

    def _normalized(
        self, name: str, x: Array, modulate: Modulate | None, *, train: bool
    ) -> Array:
        if not self._normalizes(name):
            return x
        if self.norm == "batch":
            y = nn.BatchNorm(
                use_running_average=not train,
                momentum=0.9,
                epsilon=EPS,
                dtype=jnp.float32,
                use_fast_variance=False,
                name=f"{name}_norm",
            )(x.astype(jnp.float32))
        elif self.norm == "instance":
            y = _Affine(name=f"{name}_norm")(mean_variance_norm(x, eps=EPS))
        else:
            assert modulate is not None, "the conditional norm requires a style"
            y = modulate(name, mean_variance_norm(x, eps=EPS))
        return y.astype(self.dtype)

    def _colors(self, x: Image) -> Image:
        if self.output == "sigmoid":
            return nn.sigmoid(x)
        if self.output == "linear":
            return x / 255.0
        mean_rgb = jnp.array(CAFFE_MEAN_BGR[::-1])
        return (TANH_RANGE * jnp.tanh(x) + mean_rgb) / 255.0


def check_choices(net: TransformerNet) -> None:
    """Refuses a network of unknown parts.

    Raises:
        ValueError: If an argument is not allowed.
    """
    choices = {
        "norm": Norm,
        "padding": Padding,
        "upsampling": Upsampling,
        "output": Output,
    }
    for name, allowed in choices.items():
        if getattr(net, name) not in get_args(allowed):
            raise ValueError(
                f"{name} must be one of {get_args(allowed)}, got {getattr(net, name)!r}"
            )
    blocks = net.residual_blocks
    if not isinstance(blocks, int) or not 1 <= blocks <= 64:
        raise ValueError(
            f"residual_blocks must be a whole number from 1 to 64, got {blocks!r}"
        )
    if not 0 < net.width <= 8:
        raise ValueError(f"width must be above 0 and at most 8, got {net.width}")


class _Affine(nn.Module):
    """Scale and shift of every channel."""

    @nn.compact
    def __call__(self, x: Float[Array, "b h w c"]) -> Float[Array, "b h w c"]:
        scale = find_param(self, "scale", nn.initializers.ones, x.shape[-1:])
        bias = find_param(self, "bias", nn.initializers.zeros, x.shape[-1:])
        return x * scale + bias


class _Conv(nn.Module):
    """A convolution that keeps, halves or doubles the size.

    Attributes:
        features: Output channels.
        size: Side of the kernel.
        kind: `keep`, `halve`, or an `Upsampling`.
        border: `mirror`, `zero`, or `none`, which takes positions away.
        biased: Whether there is a bias.
        kernel_std: Standard deviation of initial kernels; None for He's.
        dtype: Compute type.
        native: Whether to convolve only by XLA's own operations.
    """

    features: int
    size: int = 3
    kind: str = "keep"
    border: str = "mirror"
    biased: bool = True
    kernel_std: float | None = None
    dtype: DTypeLike = jnp.float32
    native: bool = False

    @nn.compact
    def __call__(self, x: Float[Array, "b h w c"]) -> Float[Array, "b h2 w2 features"]:
        # Not truncated, which takes long to compile.
        he = nn.initializers.variance_scaling(2.0, "fan_in", "normal")
        std = self.kernel_std
        init = he if std is None else nn.initializers.normal(std)
        shape = (self.size, self.size, x.shape[-1], self.features)
        kernel = jnp.asarray(find_param(self, "kernel", init, shape), self.dtype)
        bias = jnp.zeros(self.features, self.dtype)
        if self.biased:
            given = find_param(self, "bias", nn.initializers.zeros, (self.features,))
            bias = jnp.asarray(given, self.dtype)
        if self.kind == "nearest" and self.border == "mirror":
            return upsample_conv3x3_reflect(x, kernel, bias, native=self.native)
        if self.kind == "transposed":
            return doubling_conv3x3(x, kernel, native=self.native) + bias
        if self.kind == "nearest":
            x = jnp.repeat(jnp.repeat(x, 2, axis=1), 2, axis=2)
        stride = 2 if self.kind == "halve" else 1
        return valid_conv(self._padded(x), kernel, stride) + bias

    def _padded(self, x: Array) -> Array:
        width = self.size // 2
        if self.border == "mirror":
            return reflection_pad(x, width)
        around = (width, width) if self.border == "zero" else (0, 0)
        return jnp.pad(x, ((0, 0), around, around, (0, 0)))
