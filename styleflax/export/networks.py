"""The networks of `models` as parts of ONNX graphs, built from their parameters."""

from collections.abc import Callable, Sequence

import numpy as np

from styleflax.export.graph import Graph
from styleflax.models.lite import LEVELS
from styleflax.models.lite import SLOPE as LITE_SLOPE
from styleflax.models.transformer_net import (
    START_PAD_PX,
    TANH_RANGE,
    TransformerNet,
)
from styleflax.models.vgg import (
    CAFFE_MEAN_BGR,
    DECODER_LAYERS,
    IMAGENET_MEAN,
    IMAGENET_STD,
    UPSAMPLED,
    VGG,
)
from styleflax.types import Params

Maps = dict[str, str]
"""The names of tensors by layer."""


def vgg(
    g: Graph, params: Params, layers: Sequence[str], image: str, sensitive: str = ""
) -> Maps:
    """Adds a VGG network, and returns its features by layer; see `models.vgg`.

    Args:
        g: The graph.
        params: Parameters of the network.
        layers: Names of the layers to return.
        image: The image, (b, 3, h, w).
        sensitive: Last convolution that needs more than 8 bits; "" for none.
    """
    network = VGG.of_params(params, tuple(layers))
    x = _vgg_input(g, params, image)
    features = {}
    for name in network.depth():
        if name[6:] == "1" and name[4] != "1":
            x = g.pool(x)
        x = g.reflect_conv(x, params[name], sensitive=name <= sensitive)
        x = g.add("Relu", x)
        features[name.replace("conv", "relu")] = x
    return {layer: features[layer] for layer in layers}


def _vgg_input(g: Graph, params: Params, image: str) -> str:
    if "preprocess" in params:
        # These few numbers of up to 255 are stored in full precision.
        mix = np.asarray(params["preprocess"]["kernel"]).transpose(3, 2, 0, 1)
        operands = g.numbers(mix), g.numbers(params["preprocess"]["bias"])
        return g.add("Conv", image, *operands, kernel_shape=[1, 1])
    mean, std = (np.reshape(x, (1, 3, 1, 1)) for x in (IMAGENET_MEAN, IMAGENET_STD))
    return g.add("Div", g.add("Sub", image, g.numbers(mean)), g.numbers(std))


def decoder(g: Graph, params: Params, x: str) -> str:
    """Adds the decoder of relu4_1; returns an image (b, 3, h, w). See `models.vgg`."""
    for name in DECODER_LAYERS:
        convolve = g.upsample_conv if name in UPSAMPLED else g.reflect_conv
        x = convolve(x, params[name])
        if name != "conv1_1":
            x = g.add("Relu", x)
    return x


def lite_encoder(g: Graph, params: Params, image: str) -> Maps:
    """Adds the encoder of `models.lite`; returns the features of an image by level."""
    x = g.add("Sub", image, g.numbers(0.5))
    x = _leaky(g, g.reflect_conv(x, params["half_down"], stride=2))
    features = {}
    for level in LEVELS:
        x = _leaky(g, g.reflect_conv(x, params[f"{level}_down"], stride=2))
        x = features[level] = _lite_residual(g, params[f"{level}_residual"], x)
    return features


def lite_decoder(g: Graph, params: Params, features: Maps) -> str:
    """Adds the decoder of `models.lite`; returns an image (b, 3, h, w)."""

    def enlarge(x: str, name: str) -> str:
        return g.upsample_conv(_leaky(g, x), params[name])

    x = _lite_residual(g, params["eighth_residual"], features["eighth"])
    skip = features["quarter"]
    x = g.add("Add", g.cut_like(enlarge(x, "quarter_up"), skip), skip)
    x = _lite_residual(g, params["quarter_residual"], x)
    x = _lite_residual(g, params["half_residual"], enlarge(x, "half_up"))
    x = _leaky(g, enlarge(x, "image_up"))
    return g.add("Add", g.reflect_conv(x, params["image"]), g.numbers(0.5))


def _lite_residual(g: Graph, params: Params, x: str) -> str:
    inner = _leaky(g, g.reflect_conv(x, params["conv_1"]))
    return g.add("Add", x, g.reflect_conv(inner, params["conv_2"]))


def _leaky(g: Graph, x: str) -> str:
    return g.add("LeakyRelu", x, alpha=LITE_SLOPE)


def transformer_net(
    g: Graph,
    net: TransformerNet,
    params: Params,
    image: str,
    normalize: Callable[[str, str], str],
) -> str:
    """Adds a transformer network, and returns the stylized image (b, 3, h, w).

    Args:
        g: The graph.
        net: The Flax module, which defines the parts; see `models.transformer_net`.
        params: Parameters of the network.
        image: The photo, (b, 3, h, w).
        normalize: Function (layer, map) -> normalized map, for normalized layers.
    """
    at_start = net.padding == "reflect-start"
    border, inner = ("zero", "none") if at_start else ("mirror", "mirror")

    def layer(
        name: str, x: str, kind: str = "keep", border: str = border, end: str = "Relu"
    ) -> str:
        x = _transformer_conv(g, params[name], x, kind, border)
        x = normalize(name, x) if name in net.normalized_channels() else x
        return g.add(end, x) if end else x

    x = g.pad(image, START_PAD_PX * net.residual_blocks) if at_start else image
    x = layer("conv1", x)
    x = layer("conv2", x, "halve")
    x = layer("conv3", x, "halve")
    for i in range(1, net.residual_blocks + 1):
        y = layer(f"residual{i}_1", x, border=inner)
        y = layer(f"residual{i}_2", y, border=inner, end="")
        if at_start:
            bounds = [g.integers(*ends) for ends in ((2, 2), (-2, -2), (2, 3))]
            x = g.add("Slice", x, *bounds)
        x = g.add("Add", x, y)
    x = layer("up1", x, net.upsampling)
    x = layer("up2", x, net.upsampling)
    x = g.cut_like(layer("conv_out", x, end=""), image)
    if net.output == "sigmoid":
        return g.add("Sigmoid", x)
    if net.output == "linear":
        return g.add("Div", x, g.numbers(255.0))
    mean_rgb = np.reshape(CAFFE_MEAN_BGR[::-1], (1, 3, 1, 1)) / 255.0
    scaled = g.add("Mul", g.add("Tanh", x), g.numbers(TANH_RANGE / 255.0))
    return g.add("Add", scaled, g.numbers(mean_rgb))


def _transformer_conv(g: Graph, params: Params, x: str, kind: str, border: str) -> str:
    width = np.asarray(params["kernel"]).shape[0] // 2
    if kind == "transposed":
        return g.doubling_conv(x, params)
    if kind == "nearest" and border == "mirror":
        return g.upsample_conv(x, params)
    if kind == "nearest":
        x = g.enlarge(x)
    stride = 2 if kind == "halve" else 1
    if border == "mirror":
        return g.reflect_conv(x, params, stride)
    return g.conv(x, params, stride, zeros=width if border == "zero" else 0)
