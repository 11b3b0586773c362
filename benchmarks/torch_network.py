"""The same network in eager PyTorch, for `speed.py` alone."""

from typing import Any

import jax
import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812, its usual name
from timing import Call

Tree = Any
POOLED = frozenset({"conv2_1", "conv3_1", "conv4_1"})
UPSAMPLED = frozenset({"conv3_4", "conv2_2", "conv1_2"})


def conv(layer: Tree, x: torch.Tensor) -> torch.Tensor:
    """3x3 convolution, padded by reflection."""
    padded = F.pad(x, (1, 1, 1, 1), mode="reflect")
    return F.conv2d(padded, layer["kernel"], layer["bias"])


def encode(params: Tree, x: torch.Tensor) -> dict[str, torch.Tensor]:
    """Features by layer name up to relu4_1."""
    x = F.conv2d(x, params["preprocess"]["kernel"], params["preprocess"]["bias"])
    features = {}
    for name, layer in sorted(params.items()):
        if name == "preprocess":
            continue
        if name in POOLED:
            x = F.max_pool2d(x, 2, 2, ceil_mode=True)
        x = features[name.replace("conv", "relu")] = F.relu(conv(layer, x))
    return features


def decode(params: Tree, x: torch.Tensor) -> torch.Tensor:
    """Images from features."""
    # conv4_1 comes first, conv1_1 last.
    for name, layer in sorted(params.items(), reverse=True):
        if name in UPSAMPLED:
            x = F.interpolate(x, scale_factor=2, mode="nearest")
        x = conv(layer, x)
        x = x if name == "conv1_1" else F.relu(x)
    return x


def mean_std(x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Channel mean and deviation over positions."""
    variance, mean = torch.var_mean(x, (2, 3), correction=0, keepdim=True)
    return mean, (variance + 1e-5).sqrt()


def adain(content: torch.Tensor, style: torch.Tensor) -> torch.Tensor:
    """Content features with the style's statistics."""
    mean, std = mean_std(content)
    style_mean, style_std = mean_std(style)
    return (content - mean) / std * style_std + style_mean


def stylize(arguments: tuple) -> torch.Tensor:
    """One stylized picture."""
    encoder, decoder, content, style = arguments
    with torch.inference_mode():
        features = [encode(encoder, x)["relu4_1"] for x in (content, style)]
        return decode(decoder, adain(*features))


def train(
    arguments: tuple,
    layers: tuple[str, ...],
    learning_rate: float,
    adam: torch.optim.Adam | None = None,
) -> None:
    """One step of the decoder, in place: of SGD, or clipped ones of Adam."""
    encoder, decoder, content, style = arguments
    with torch.no_grad():
        features = encode(encoder, style)
        target = adain(encode(encoder, content)["relu4_1"], features["relu4_1"])
    stylized = encode(encoder, decode(decoder, target))
    loss = F.mse_loss(stylized["relu4_1"], target)
    for layer in layers:
        pairs = zip(mean_std(stylized[layer]), mean_std(features[layer]), strict=True)
        loss = loss + sum(F.mse_loss(x, y) for x, y in pairs)
    weights = [leaf for layer in decoder.values() for leaf in layer.values()]
    gradients = torch.autograd.grad(loss, weights)
    if adam:
        for weight, gradient in zip(weights, gradients, strict=True):
            weight.grad = gradient
        torch.nn.utils.clip_grad_norm_(weights, 1.0)
        adam.step()
        return
    with torch.no_grad():
        for weight, gradient in zip(weights, gradients, strict=True):
            weight.sub_(learning_rate * gradient)


def to_torch(array: jax.Array, memory_format: torch.memory_format) -> torch.Tensor:
    """NHWC as NCHW, HWIO as OIHW, in the given layout."""
    array = np.array(array)
    if array.ndim < 4:
        return torch.from_numpy(array)
    axes = (3, 2, 0, 1) if array.shape[0] == array.shape[1] else (0, 3, 1, 2)
    tensor = torch.from_numpy(np.ascontiguousarray(array.transpose(axes)))
    return tensor.contiguous(memory_format=memory_format)


def torch_calls(
    task: str, arguments: tuple, layers: tuple[str, ...], learning_rate: float
) -> dict[str, Call]:
    """The task in both of PyTorch's layouts."""
    formats = {
        "PyTorch": torch.contiguous_format,
        "PyTorch channels_last": torch.channels_last,
    }
    calls = {}
    for label, memory_format in formats.items():
        converted = jax.tree.map(lambda x, f=memory_format: to_torch(x, f), arguments)
        if task == "stylize":
            calls[label] = lambda a=converted: stylize(a)
            continue
        weights = [leaf for layer in converted[1].values() for leaf in layer.values()]
        for weight in weights:
            weight.requires_grad_()
        adam = torch.optim.Adam(weights, learning_rate) if task == "step" else None
        calls[label] = lambda a=converted, adam=adam: train(
            a, layers, learning_rate, adam
        )
    return calls
