"""VGG, the decoder and AdaIN in PyTorch: pictures, and a step of training."""

from collections.abc import Callable
from typing import Any

import jax
import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812, its usual name
from timing import Call

from styleflax.models.vgg import IMAGENET_MEAN, IMAGENET_STD

Tree = Any
POOLED = frozenset({"conv2_1", "conv3_1", "conv4_1", "conv5_1"})
UPSAMPLED = frozenset({"conv3_4", "conv2_2", "conv1_2"})


def conv(layer: Tree, x: torch.Tensor) -> torch.Tensor:
    """3x3 convolution, padded by reflection."""
    padded = F.pad(x, (1, 1, 1, 1), mode="reflect")
    return F.conv2d(padded, layer["kernel"], layer["bias"])


def encode(params: Tree, x: torch.Tensor) -> dict[str, torch.Tensor]:
    """Features by layer name, as far as the parameters go."""
    if "preprocess" in params:
        x = F.conv2d(x, params["preprocess"]["kernel"], params["preprocess"]["bias"])
    else:
        mean, std = (
            torch.tensor(values, dtype=x.dtype, device=x.device).reshape(3, 1, 1)
            for values in (IMAGENET_MEAN, IMAGENET_STD)
        )
        x = (x - mean) / std
    features = {}
    for name in sorted(params):  # PyTorch compiles this, not a sort of pairs
        if name == "preprocess":
            continue
        if name in POOLED:
            x = F.max_pool2d(x, 2, 2, ceil_mode=True)
        x = features[name.replace("conv", "relu")] = F.relu(conv(params[name], x))
    return features


def decode(params: Tree, x: torch.Tensor) -> torch.Tensor:
    """Images from features, by the layers among the parameters."""
    # conv4_1 comes first, conv1_1 last.
    for name in sorted(params, reverse=True):
        if not name.startswith("conv"):
            continue
        if name in UPSAMPLED:
            x = F.interpolate(x, scale_factor=2, mode="nearest")
        x = conv(params[name], x)
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


def transfer_loss(arguments: tuple, layers: tuple[str, ...]) -> torch.Tensor:
    """The losses of content and style, both of weight 1."""
    encoder, decoder, content, style = arguments
    with torch.no_grad():
        features = encode(encoder, style)
        target = adain(encode(encoder, content)["relu4_1"], features["relu4_1"])
    stylized = encode(encoder, decode(decoder, target))
    loss = F.mse_loss(stylized["relu4_1"], target)
    for layer in layers:
        pairs = zip(mean_std(stylized[layer]), mean_std(features[layer]), strict=True)
        loss = loss + sum(F.mse_loss(x, y) for x, y in pairs)
    return loss


def trained(arguments: tuple) -> list[torch.Tensor]:
    """The decoder's parameters, which from then on have gradients."""
    leaves = [leaf for layer in arguments[1].values() for leaf in layer.values()]
    return [leaf.requires_grad_() for leaf in leaves]


def train(
    arguments: tuple,
    layers: tuple[str, ...],
    learning_rate: float,
    adam: torch.optim.Adam | None = None,
    find_loss: Callable[..., torch.Tensor] = transfer_loss,
) -> torch.Tensor:
    """The loss before one step of the decoder, in place: of SGD, or clipped of Adam."""
    weights = trained(arguments)
    loss = find_loss(arguments, layers)
    gradients = torch.autograd.grad(loss, weights)
    if adam:
        for weight, gradient in zip(weights, gradients, strict=True):
            weight.grad = gradient
        torch.nn.utils.clip_grad_norm_(weights, 1.0)
        adam.step()
        return loss.detach()
    with torch.no_grad():
        for weight, gradient in zip(weights, gradients, strict=True):
            weight.sub_(learning_rate * gradient)
    return loss.detach()


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
        weights = trained(converted)
        adam = torch.optim.Adam(weights, learning_rate) if task == "step" else None
        calls[label] = lambda a=converted, adam=adam: train(
            a, layers, learning_rate, adam
        )
    return calls
