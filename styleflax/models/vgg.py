"""VGG-16 and VGG-19 (Simonyan and Zisserman 2015), and the decoder that mirrors them.

All of 3x3 convolutions that are padded by reflection. Pools round up, as in the
networks of Gatys et al. and of Huang and Belongie.
"""

from collections.abc import Mapping
from functools import partial
from typing import Literal

import flax.linen as nn
import jax.numpy as jnp
import numpy as np
from flax.core import FrozenDict
from flax.errors import ScopeParamShapeError
from jax.ad_checkpoint import checkpoint_name
from jax.typing import DTypeLike
from jaxtyping import Array, Float

from styleflax.config import Pooling
from styleflax.ops.conv import (
    average_pool_ceil,
    conv3x3_reflect,
    max_pool_ceil,
    reflect_pad,
    upsample_conv3x3_reflect,
    valid_conv,
)
from styleflax.ops.spatial import Extent, refill
from styleflax.types import FeatureMaps, Image, Params


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
        module: The module that is being called.
        name: Name of the parameter in the module.
        init: Draws the parameter.
        shape: Shape of the parameter.

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
        operands = _operands(self, x)
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
        x, kernel, bias = _operands(self, x)
        return valid_conv(reflect_pad(x), kernel, 2) + bias


def _operands(
    module: ReflectConv | HalvingConv, x: Float[Array, "b h w c"]
) -> tuple[Array, Array, Array]:
    """Map, kernel and bias of a convolution, in its compute type."""
    shape = (3, 3, x.shape[-1], module.features)
    init = nn.initializers.variance_scaling(module.gain, "fan_in", "truncated_normal")
    kernel = find_param(module, "kernel", init, shape)
    bias = find_param(module, "bias", nn.initializers.zeros, (module.features,))
    as_computed = partial(jnp.asarray, dtype=module.dtype)
    return as_computed(x), as_computed(kernel), as_computed(bias)


Architecture = Literal["vgg16", "vgg19"]
Convention = Literal["torchvision", "normalised"]

WIDTHS = (64, 128, 256, 512, 512)
DEPTHS: dict[str, tuple[int, ...]] = {
    "vgg16": (2, 2, 3, 3, 3),
    "vgg19": (2, 2, 4, 4, 4),
}
# torchvision's ImageNet statistics, RGB in [0, 1].
IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)
# Channel means of the Caffe models, BGR in [0, 255].
CAFFE_MEAN_BGR = (103.939, 116.779, 123.68)

POOLS = {"max": max_pool_ceil, "average": average_pool_ceil}

BLOCK_INPUT = "encoder block's input"
"""Name, for `jax.checkpoint`, of what each pool gives: all others follow from it."""


def scale_widths(width: float) -> tuple[int, ...]:
    """Channels of the five blocks with that factor; see `scale_channels`."""
    return tuple(scale_channels(channels, width) for channels in WIDTHS)


def conv_names(architecture: Architecture) -> tuple[str, ...]:
    """Names of the convolutions in order: `conv1_1`, `conv1_2`, ..."""
    depths = enumerate(DEPTHS[architecture], start=1)
    return tuple(f"conv{b}_{i + 1}" for b, depth in depths for i in range(depth))


def conv_of(layer: str) -> str:
    """`conv4_1` for `relu4_1`."""
    return layer.replace("relu", "conv")


class VGG(nn.Module):
    """Returns features by layer name, computed up to the deepest requested layer.

    Attributes:
        layers: Names from `relu1_1` to `relu5_3` (`relu5_4` for VGG-19).
        architecture: `vgg16` or `vgg19`.
        convention: How pixels become inputs: `torchvision` subtracts a mean and
            divides by a deviation; `normalised` is the first layer of the
            normalized VGG-19, a 1x1 convolution from RGB in [0, 1] to Caffe's
            BGR in [0, 255] less its mean (Huang and Belongie's code).
        dtype: Compute type.
        widths: Channels of the five blocks.
        pooling: `max`, with which the weights were trained, or `average`.
    """

    layers: tuple[str, ...]
    architecture: Architecture = "vgg16"
    convention: Convention = "torchvision"
    dtype: DTypeLike = jnp.float32
    widths: tuple[int, ...] = WIDTHS
    pooling: Pooling = "max"

    @classmethod
    def of_params(
        cls,
        params: Params,
        layers: tuple[str, ...],
        dtype: DTypeLike = jnp.float32,
        pooling: Pooling = "max",
    ) -> "VGG":
        """The network that `params` belong to, told by their names and shapes.

        A tree that ends before the two architectures differ (`conv3_4`) is
        taken for a VGG-16, which it then equals.
        """
        architecture: Architecture = "vgg19" if "conv3_4" in params else "vgg16"
        convention: Convention = (
            "normalised" if "preprocess" in params else "torchvision"
        )
        firsts = [params.get(f"conv{block}_1") for block in range(1, 6)]
        widths = tuple(
            width if first is None else first["bias"].shape[0]
            for first, width in zip(firsts, WIDTHS, strict=True)
        )
        settings = (dtype, widths, pooling)
        return cls(tuple(layers), architecture, convention, *settings)

    def depth(self) -> tuple[str, ...]:
        """Names of the convolutions that `layers` need.

        Raises:
            ValueError: If a layer does not exist in this architecture.
        """
        names = conv_names(self.architecture)
        rectified = [name.replace("conv", "relu") for name in names]
        unknown = [name for name in self.layers if name not in rectified]
        if unknown or not self.layers:
            raise ValueError(
                f"{self.architecture} has no layers {unknown}; it has "
                f"{', '.join(rectified)}"
            )
        deepest = max(names.index(conv_of(layer)) for layer in self.layers)
        return names[: deepest + 1]

    @nn.compact
    def __call__(self, images: Image, extent: Extent | None = None) -> FeatureMaps:
        """Features of RGB images in [0, 1], any height and width from 1 px.

        Args:
            images: Images of an even size at every pool, if there is an extent.
            extent: What of `images` is the picture's; None for all of it.
        """
        pool = POOLS[self.pooling]
        x = self._preprocess(images)
        features = {}
        for name in self.depth():
            block, index = int(name[4]), int(name[6])
            if index == 1 and block > 1:
                if extent is not None:
                    x, extent = refill(x, extent, inner=0), extent.shrunk(2)
                x = checkpoint_name(pool(x), BLOCK_INPUT)
            conv = ReflectConv(self.widths[block - 1], dtype=self.dtype, name=name)
            x = nn.relu(conv(x, extent))
            features[name.replace("conv", "relu")] = x
        return {layer: features[layer] for layer in self.layers}

    def _preprocess(self, images: Image) -> Float[Array, "b h w 3"]:
        images = images.astype(self.dtype)
        if self.convention == "torchvision":
            mean = jnp.array(IMAGENET_MEAN, self.dtype)
            return (images - mean) / jnp.array(IMAGENET_STD, self.dtype)
        return _Preprocess(self.dtype, name="preprocess")(images)


class _Preprocess(nn.Module):
    """1x1 convolution of the normalized VGG-19; initialized with what it is."""

    dtype: DTypeLike

    @nn.compact
    def __call__(self, images: Image) -> Float[Array, "b h w 3"]:
        kernel = self.param("kernel", lambda _: 255.0 * jnp.eye(3)[None, None, ::-1])
        bias = self.param("bias", lambda _: -jnp.array(CAFFE_MEAN_BGR))
        return images @ kernel[0, 0].astype(self.dtype) + bias.astype(self.dtype)


def cut_params(params: Params, layers: tuple[str, ...]) -> Params:
    """The part of an encoder's parameters that `layers` need."""
    needed = {*VGG.of_params(params, layers).depth(), "preprocess"}
    return {name: leaf for name, leaf in params.items() if name in needed}


# Output channels, named as the encoder's layers that they mirror. Those that
# follow a pool there follow an upsampling here.
DECODER_LAYERS: Mapping[str, int] = FrozenDict(
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
    """Returns RGB images from relu4_1 features, meant for [0, 1] but not clipped.

    Nine 3x3 convolutions with reflection padding, nearest upsampling where the
    encoder pools, and no normalization, which would undo the style's statistics
    (Huang and Belongie 2017, section 6; layers as in their published code).

    Attributes:
        dtype: Compute type; the image is float32.
        native: Convolve by XLA's own operations alone; see `ops.conv`.
        width: Factor on the channels; see `scale_channels`.

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
        for name, full in DECODER_LAYERS.items():
            channels = full if name == "conv1_1" else scale_channels(full, self.width)
            upsample = name in UPSAMPLED
            conv = ReflectConv(channels, upsample, self.dtype, self.native, name=name)
            x = conv(x, extent)
            if upsample and extent is not None:
                extent = extent.grown(2)
            if name != "conv1_1":
                x = nn.relu(x)
        return x.astype(jnp.float32)
