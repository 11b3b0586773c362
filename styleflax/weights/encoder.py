"""Encoders by name or from a file, and the mean of several models."""

import os
from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import numpy as np

from styleflax.types import Params
from styleflax.weights.fetch import find_cached
from styleflax.weights.foreign import check_weights
from styleflax.weights.packaged import load_packaged_vgg16
from styleflax.weights.published.mapping import read_part
from styleflax.weights.registry import DOWNLOADS, ENCODER_NAMES
from styleflax.weights.store import (
    ENCODER_ONLY,
    EncoderSpec,
    ModelFile,
    check_params,
    fetch_if_remote,
    model_digest,
    packaged_models,
)


class LoadedEncoder(NamedTuple):
    """An encoder as it lies on disk.

    Attributes:
        params: {"conv1_1": {"kernel": (3, 3, 3, 64), "bias": (64,)}, ...}, float32.
        spec: what they are made for.
        is_trained_on: whether a model was trained on just these values. Its filters
            are scaled already; to scale them again would blow up those that hardly
            fire.
    """

    params: Params
    spec: EncoderSpec
    is_trained_on: bool


def load_encoder(
    name_or_file: str | os.PathLike[str],
    cache_dir: str | os.PathLike[str] | None = None,
) -> LoadedEncoder:
    """Return an encoder's parameters and what they are made for.

    Args:
        name_or_file: the name of a model that comes with the package ("adain"), whose
            encoder is taken as it was trained on; "vgg16" (torchvision's; comes with
            the extra `eval`); "vgg19" (torchvision's; downloaded before); or a file:
            of PyTorch or Keras with a VGG-16 or VGG-19, or a model file. Weights in
            Caffe's convention under torchvision's names and shapes cannot be told
            apart from torchvision's: their pictures come out wrong.
        cache_dir: where downloads lie; see `fetch.find_cache_dir`.

    Raises:
        FileNotFoundError: If weights are neither a name nor a file, not yet fetched, or
            of an extra that is not installed.
        ImportError: If the file is of Keras, and h5py is not installed.
        ValueError: If the file holds no whole VGG-16 or VGG-19; see
            `mapping.read_part`.
        WeightsError: If the downloaded file is damaged.
    """
    name = os.fspath(name_or_file)
    if name == "vgg16":
        spec = EncoderSpec("vgg16", "torchvision")
        return LoadedEncoder(load_packaged_vgg16(), spec, is_trained_on=False)
    models = packaged_models()
    if name in DOWNLOADS:
        path = find_cached(name, cache_dir)
    else:
        path = models[name] if name in models else fetch_if_remote(name)
        check_weights(path)
    if not path.is_file():
        names = ", ".join((*models, *ENCODER_NAMES))
        raise FileNotFoundError(
            f"encoder {name!r} is neither a file nor one of {names}"
        )
    part = read_part(path)
    if part.spec is None:
        raise ValueError(f"{path} holds a {part.role}, no encoder")
    if not part.params:
        raise ValueError(
            f"{path} holds a model of {part.method} without an encoder: give another "
            f"file, or one of {', '.join((*models, *ENCODER_NAMES))}"
        )
    is_trained_on = part.method not in ("", ENCODER_ONLY)
    return LoadedEncoder(part.params, part.spec, is_trained_on)


_SAME = ("method", "encoder", "arithmetic", "options")


def average_models(models: Sequence[ModelFile]) -> ModelFile:
    """Returns a model whose trained parts and batch statistics are means of models'.

    This is useful for models of one training, or models trained from the same start:
    they are close enough to each other that their mean works like each of them, with
    less noise from their last steps (Izmailov et al. 2018). Its provenance is that of
    them all.

    Raises:
        ValueError: If there are fewer than two, or methods, options, arithmetic,
            encoders or shapes differ.
    """
    if len(models) < 2:
        raise ValueError(f"models must be at least two, got {len(models)}")
    first, *others = models
    for number, other in enumerate(others, start=2):
        what = f"model {number}"
        differing = [k for k in _SAME if getattr(first, k) != getattr(other, k)]
        if differing:
            raise ValueError(f"{what} differs from the first in {differing[0]}")
        for tree in ("encoder_params", "players", "state"):
            check_params(getattr(first, tree), getattr(other, tree), f"{what}'s {tree}")
        pair = first.encoder_params, other.encoder_params
        if not jax.tree.all(jax.tree.map(np.array_equal, *pair)):
            raise ValueError(f"{what} differs from the first in encoder's values")
    origins = [{"sha256": model_digest(m), **m.provenance} for m in models]
    return first._replace(
        players=_mean([m.players for m in models]),
        state=_mean([m.state for m in models]),
        provenance={"mean_of": origins},
    )


def _mean(trees: Sequence[Any]) -> Any:
    return jax.tree.map(
        lambda *leaves: np.mean(leaves, axis=0, dtype=np.float64).astype(np.float32),
        *trees,
    )
