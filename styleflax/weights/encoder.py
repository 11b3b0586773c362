"""Encoders by name or from a file, as parameter trees."""

import os
from pathlib import Path

import numpy as np

from styleflax.models.vgg import DEPTHS, WIDTHS, Architecture, Convention, conv_names
from styleflax.types import Params
from styleflax.weights.fetch import find_cached
from styleflax.weights.packaged import load_packaged_vgg16
from styleflax.weights.registry import DOWNLOADS, ENCODER_NAMES, EncoderSpec
from styleflax.weights.store import load_model
from styleflax.weights.torch_file import load_state_dict

Shape = tuple[int, ...]


def _conv_shapes(architecture: Architecture) -> list[Shape]:
    """Shapes (out, in, height, width) of the kernels, shallow to deep."""
    depths = DEPTHS[architecture]
    outs = [w for width, n in zip(WIDTHS, depths, strict=True) for w in [width] * n]
    ins = [3, *outs[:-1]]
    return [(o, i, 3, 3) for o, i in zip(outs, ins, strict=True)]


def _as_conv(kernel: np.ndarray, bias: np.ndarray) -> dict[str, np.ndarray]:
    hwio = kernel.transpose(2, 3, 1, 0)
    return {
        "kernel": np.ascontiguousarray(hwio, np.float32),
        "bias": np.ascontiguousarray(bias, np.float32),
    }


def _bias_of(name: str) -> str:
    return name.removesuffix("weight") + "bias"


def _position(name: str) -> int:
    """The number in `features.28.weight` or `28.weight`."""
    number = name.split(".")[-2:-1]
    if not number or not number[0].isdigit():
        raise ValueError(f"{name!r} is not a convolution of a torchvision VGG")
    return int(number[0])


def convert_torch_vgg(state: dict[str, np.ndarray]) -> tuple[Params, EncoderSpec]:
    """Return the parameter tree of a VGG from its PyTorch state dict.

    Known are torchvision's (`features.0.weight`, ...) and the normalised VGG-19 of
    AdaIN's PyTorch port (`0.weight`, ..., whose first layer is a 1x1 convolution);
    they may end after any convolution. A file in Caffe's convention has the same names
    and shapes as torchvision's and cannot be told apart: its pictures come out wrong.

    Args:
        state: arrays by name; kernels (out, in, height, width).

    Raises:
        ValueError: the kernels are not those of a VGG-16 or VGG-19, or biases lack.
    """
    if any(name.endswith(".running_mean") for name in state):
        raise ValueError("a VGG with batch normalisation, which is not supported")
    weights = [n for n, x in state.items() if n.endswith(".weight") and x.ndim == 4]
    weights.sort(key=_position)
    lacking = [n for n in weights if _bias_of(n) not in state]
    if not weights or lacking:
        raise ValueError(f"not a VGG: it lacks {lacking or 'convolutions'}")
    if any(state[n].shape[:1] != state[_bias_of(n)].shape for n in weights):
        raise ValueError("not a VGG: a bias has another size than its kernel")
    convs = [_as_conv(state[n], state[_bias_of(n)]) for n in weights]
    shapes = [state[n].shape for n in weights]
    normalised = shapes[0] == (3, 3, 1, 1)
    params = {"preprocess": convs.pop(0)} if normalised else {}
    shapes = shapes[normalised:]
    architectures: tuple[Architecture, ...] = ("vgg16", "vgg19")
    for architecture in architectures:
        if shapes and shapes == _conv_shapes(architecture)[: len(shapes)]:
            names = conv_names(architecture)[: len(shapes)]
            params |= dict(zip(names, convs, strict=True))
            convention: Convention = "normalised" if normalised else "torchvision"
            return params, EncoderSpec(architecture, convention)
    raise ValueError(f"neither a VGG-16 nor a VGG-19: its kernels are {shapes}")


def _load_torch_encoder(path: Path) -> tuple[Params, EncoderSpec]:
    # The classifier is four fifths of the file, and of no use here.
    state = load_state_dict(path, lambda name: not name.startswith("classifier."))
    try:
        return convert_torch_vgg(state)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error


def load_encoder(
    name_or_file: str | os.PathLike[str],
    cache_dir: str | os.PathLike[str] | None = None,
) -> tuple[Params, EncoderSpec]:
    """Return an encoder's parameters and what they are made for.

    Args:
        name_or_file: "vgg16" (comes with the installation), "vgg19" (downloaded
            before), a PyTorch state dict (.pth, .pt) or a model file (.safetensors).
        cache_dir: where downloads lie; see `fetch.find_cache_dir`.

    Returns:
        ({"conv1_1": {"kernel": (3, 3, 3, 64), "bias": (64,)}, ...}, its spec), float32.

    Raises:
        FileNotFoundError: weights are neither a name nor a file, or not yet fetched.
        ValueError: the file holds no VGG-16 or VGG-19.
        WeightsError: the downloaded file is damaged.
    """
    name = os.fspath(name_or_file)
    if name == "vgg16":
        return load_packaged_vgg16(), EncoderSpec("vgg16", "torchvision")
    if name in DOWNLOADS:
        return _load_torch_encoder(find_cached(name, cache_dir))
    path = Path(name)
    if not path.is_file():
        raise FileNotFoundError(
            f"encoder {name!r} is neither a file nor one of {', '.join(ENCODER_NAMES)}"
        )
    if path.suffix == ".safetensors":
        model = load_model(path)
        return model.encoder_params, model.encoder
    return _load_torch_encoder(path)
