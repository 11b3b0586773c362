"""The mean of the weights of several trainings that began alike."""

from collections.abc import Sequence
from typing import Any

import jax
import numpy as np

from styleflax.weights.store import ModelFile, check_params, model_digest

_SAME = ("method", "encoder", "arithmetic", "options")


def average_models(models: Sequence[ModelFile]) -> ModelFile:
    """One model whose trained parts and batch statistics are the models' means.

    Of use for models of one chain of trainings, or of one start: they are near enough
    to one another for their mean to do what they do, with less of what the last steps
    of each left by chance (Izmailov et al. 2018). Its provenance is that of them all.

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
