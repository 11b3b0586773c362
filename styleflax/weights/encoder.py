"""Encoders by name or from a file, as parameter trees."""

import os
from pathlib import Path

from styleflax.types import Params
from styleflax.weights.fetch import find_cached
from styleflax.weights.mapping import read_part
from styleflax.weights.packaged import load_packaged_vgg16
from styleflax.weights.registry import DOWNLOADS, ENCODER_NAMES, EncoderSpec


def load_encoder(
    name_or_file: str | os.PathLike[str],
    cache_dir: str | os.PathLike[str] | None = None,
) -> tuple[Params, EncoderSpec]:
    """Return an encoder's parameters and what they are made for.

    Args:
        name_or_file: "vgg16" (comes with the installation), "vgg19" (downloaded
            before), or a file: of PyTorch or Keras with a VGG-16 or VGG-19, or a model
            file. Weights in Caffe's convention under torchvision's names and shapes
            cannot be told apart from torchvision's: their pictures come out wrong.
        cache_dir: where downloads lie; see `fetch.find_cache_dir`.

    Returns:
        ({"conv1_1": {"kernel": (3, 3, 3, 64), "bias": (64,)}, ...}, its spec), float32.

    Raises:
        FileNotFoundError: weights are neither a name nor a file, or not yet fetched.
        ImportError: the file is of Keras, and h5py is not installed.
        ValueError: the file holds no whole VGG-16 or VGG-19; see `mapping.read_part`.
        WeightsError: the downloaded file is damaged.
    """
    name = os.fspath(name_or_file)
    if name == "vgg16":
        return load_packaged_vgg16(), EncoderSpec("vgg16", "torchvision")
    path = find_cached(name, cache_dir) if name in DOWNLOADS else Path(name)
    if not path.is_file():
        raise FileNotFoundError(
            f"encoder {name!r} is neither a file nor one of {', '.join(ENCODER_NAMES)}"
        )
    part = read_part(path)
    if part.spec is None:
        raise ValueError(f"{path} holds a {part.role}, no encoder")
    return part.params, part.spec
