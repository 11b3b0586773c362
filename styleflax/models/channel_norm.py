"""Normalisation of channels between convolutions, of a kind chosen by name."""

from collections.abc import Callable, Mapping
from types import MappingProxyType

import flax.linen as nn
from jax.typing import DTypeLike
from jaxtyping import Array, Float

FeatureMap = Float[Array, "b h w c"]
Normalise = Callable[[FeatureMap, bool, DTypeLike, str], FeatureMap]
"""(x, training, dtype, name) -> x normalised; to be called in a compact module."""

# Share of the old population statistics that a training step keeps. Higher, and
# runs of a few hundred steps would end with statistics of their beginning.
_KEPT = 0.9


def _none(x: FeatureMap, _training: bool, _dtype: DTypeLike, _name: str) -> FeatureMap:
    return x


def _batch(x: FeatureMap, training: bool, dtype: DTypeLike, name: str) -> FeatureMap:
    norm = nn.BatchNorm(
        use_running_average=not training,
        momentum=_KEPT,
        epsilon=1e-5,
        dtype=dtype,
        use_fast_variance=False,
        name=name,
    )
    return norm(x)


def _instance(
    x: FeatureMap, _training: bool, dtype: DTypeLike, name: str
) -> FeatureMap:
    norm = nn.InstanceNorm(
        epsilon=1e-5, dtype=dtype, use_fast_variance=False, name=name
    )
    return norm(x)


NORMS: Mapping[str, Normalise] = MappingProxyType(
    {"none": _none, "batch": _batch, "instance": _instance}
)
"""`batch` (Ioffe and Szegedy 2015) by the batch's moments in training, else by
those of the population, which it keeps in the collection `batch_stats`; `instance`
(Ulyanov et al. 2016) by each picture's own. Both scale and shift every channel."""


def check_norm(norm: str) -> None:
    """Refuses a kind that there is not.

    Raises:
        ValueError: Naming those there are.
    """
    if norm not in NORMS:
        raise ValueError(f"norm must be one of {sorted(NORMS)}, got {norm!r}")
