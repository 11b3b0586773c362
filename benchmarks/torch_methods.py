"""SANet and `lite` in PyTorch, as this library's files hold their parameters.

Each network takes the parameters of the frozen encoder, its own, contents, and one
painting for all of them or one for each, and returns the pictures at strength 1.
"""

from collections.abc import Callable

import torch
import torch.nn.functional as F  # noqa: N812, its usual name
from torch_network import Tree, adain, conv, decode, encode, mean_std

from styleflax.models.lite import SLOPE

Features = dict[str, torch.Tensor]


def sanet(arguments: tuple[Tree, ...]) -> torch.Tensor:
    """Stylized pictures: attention at relu4_1 and relu5_1, merged and decoded."""
    encoder, own, *pictures = arguments
    content, style = (encode(encoder, x) for x in pictures)
    fine, deep = (
        content[layer]
        + attend(own[layer.replace("relu", "sanet")], content[layer], style[layer])
        for layer in ("relu4_1", "relu5_1")
    )
    deep = F.interpolate(deep, scale_factor=2, mode="nearest")
    merged = fine + deep[:, :, : fine.shape[2], : fine.shape[3]]
    return cut(decode(own, conv(own["merge_conv"], merged)), pictures[0])


def attend(block: Tree, content: torch.Tensor, style: torch.Tensor) -> torch.Tensor:
    """The style's features at the content's places; scores are not scaled."""

    def project(name: str, x: torch.Tensor) -> torch.Tensor:
        positions = x.flatten(2).transpose(1, 2)
        return F.linear(positions, block[name]["kernel"].T, block[name]["bias"])

    query, key = project("f", normalize(content)), project("g", normalize(style))
    key, value = (x.expand(len(query), -1, -1) for x in (key, project("h", style)))
    found = F.scaled_dot_product_attention(query, key, value, scale=1.0)
    found = found.transpose(1, 2).reshape(content.shape)
    return project("out_conv", found).transpose(1, 2).reshape(content.shape)


def normalize(x: torch.Tensor) -> torch.Tensor:
    """Every channel less its mean, over its deviation."""
    mean, std = mean_std(x)
    return (x - mean) / std


def cut(made: torch.Tensor, content: torch.Tensor) -> torch.Tensor:
    """Pictures of the contents' size, which the networks round up."""
    return made[:, :, : content.shape[2], : content.shape[3]]


def lite(arguments: tuple[Tree, ...]) -> torch.Tensor:
    """Stylized pictures: AdaIN at two depths of the small network."""
    _, own, *pictures = arguments
    content, style = (encode_lite(own["encoder"], x) for x in pictures)
    moved = {level: adain(content[level], style[level]) for level in content}
    return cut(decode_lite(own["decoder"], moved), pictures[0])


def encode_lite(params: Tree, images: torch.Tensor) -> Features:
    """Features at a quarter and an eighth of the size."""
    x = halve(params["half_down"], images - 0.5)
    features = {}
    for level in ("quarter", "eighth"):
        x = halve(params[f"{level}_down"], x)
        features[level] = x = residual(params[f"{level}_residual"], x)
    return features


def decode_lite(params: Tree, features: Features) -> torch.Tensor:
    """Images from features at both depths."""
    skip = features["quarter"]
    x = residual(params["eighth_residual"], features["eighth"])
    x = enlarge(params["quarter_up"], x)
    x = x[:, :, : skip.shape[2], : skip.shape[3]] + skip
    x = enlarge(params["half_up"], residual(params["quarter_residual"], x))
    x = enlarge(params["image_up"], residual(params["half_residual"], x))
    return conv(params["image"], F.leaky_relu(x, SLOPE)) + 0.5


def halve(layer: Tree, x: torch.Tensor) -> torch.Tensor:
    """3x3 convolution of stride 2, and its activation."""
    padded = F.pad(x, (1, 1, 1, 1), mode="reflect")
    return F.leaky_relu(F.conv2d(padded, layer["kernel"], layer["bias"], 2), SLOPE)


def enlarge(layer: Tree, x: torch.Tensor) -> torch.Tensor:
    """Activation, doubled sides and a convolution."""
    x = F.interpolate(F.leaky_relu(x, SLOPE), scale_factor=2, mode="nearest")
    return conv(layer, x)


def residual(block: Tree, x: torch.Tensor) -> torch.Tensor:
    """Two convolutions added to what enters them."""
    return x + conv(block["conv_2"], F.leaky_relu(conv(block["conv_1"], x), SLOPE))


NETWORKS: dict[str, Callable[[tuple[Tree, ...]], torch.Tensor]] = {
    "sanet": sanet,
    "lite": lite,
}
"""By the method of a model file."""
