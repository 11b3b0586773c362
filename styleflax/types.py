"""Names for the arrays and trees that the whole library passes around."""

from collections.abc import Mapping
from typing import Any

import jax
from jaxtyping import Array, Float

Image = Float[Array, "b h w 3"]
"""RGB in [0, 1], float32 unless a compute dtype says otherwise."""

FeatureMap = Float[Array, "b h w c"]
"""The activations of one layer."""

FeatureMaps = Mapping[str, Float[Array, "b _ _ _"]]
"""Activations by layer name (`relu1_1` ... `relu5_4`)."""

Params = Mapping[str, Any]
"""A tree of arrays, as Flax makes it; no tree is ever written to."""

Key = jax.Array
"""A typed key of `jax.random.key`."""
