"""Losses of patches of features (Li and Wand 2016): the nearest ones, and a critic's.

`mrf_loss` compares every patch with the style's most similar one ("CNNMRF"); the two
sides of a critic's hinge loss take its scores of patches ("MGAN").
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from styleflax.types import FeatureMap

SIDE = 3
CHUNK = 2**22
"""Similarities in memory at a time."""

Patches = Float[Array, "n d"]


def mrf_loss(
    feature: FeatureMap, style: Float[Array, "b _ _ c"], *, stride: int = 1
) -> Float[Array, ""]:
    """Returns the mean squared distance of patches to the style's most similar ones.

    Patches have 3x3 positions, or fewer if the map is smaller. The most similar patch
    has the largest cosine (normalized cross-correlation); the distance is between the
    patches without normalization, and the choice has no gradient. Li and Wand use a sum
    instead of this mean over patches and their values.

    Args:
        feature: Feature map of the stylized image.
        style: Feature map of the style, of any size.
        stride: Distance between patches of both maps; 1 in the paper, 2 in the authors'
            code, which takes a sixteenth of the time.

    Raises:
        ValueError: If the stride is not at least 1.

    Example:
        >>> import jax.numpy as jnp
        >>> import jax
        >>> feature = jax.random.normal(jax.random.key(0), (1, 4, 4, 2))
        >>> float(mrf_loss(feature, feature))
        0.0
    """
    if stride < 1:
        raise ValueError(f"stride must be at least 1, got {stride}")
    side = min(SIDE, *feature.shape[1:3], *style.shape[1:3])
    maps = (feature.astype(jnp.float32), style.astype(jnp.float32))

    def nearest(pair: tuple[Array, Array]) -> Int[Array, " n"]:
        return nearest_patches(*(patches_of(x, side, stride) for x in pair))

    # Pictures one after another; patches, nine times as large as their map, are made
    # again when gradients are computed.
    @jax.checkpoint
    def distance(group: tuple[Array, Array, Array]) -> Float[Array, ""]:
        x, y = (patches_of(x, side, stride) for x in group[:2])
        return jnp.square(x - y[group[2]]).mean()

    chosen = jax.lax.map(nearest, jax.lax.stop_gradient(maps))
    return jax.lax.map(distance, (*maps, chosen)).mean()


def patches_of(feature: Float[Array, "h w c"], side: int, stride: int) -> Patches:
    """Returns all patches that lie within a map, as vectors."""
    h, w, c = feature.shape
    rows, columns = h - side + 1, w - side + 1
    shifted = [
        feature[i : i + rows : stride, j : j + columns : stride].reshape(-1, c)
        for i in range(side)
        for j in range(side)
    ]
    return jnp.concatenate(shifted, axis=1)


def nearest_patches(x: Patches, y: Float[Array, "m d"]) -> Int[Array, " n"]:
    """Returns, for every patch of `x`, the index of the most similar patch of `y`.

    Similarity is the cosine; the first of several equal patches is taken. Similarities
    are computed for a block of patches of `x` at a time, so memory grows with the sizes
    of the maps, not with their product.
    """
    # The length of a patch of x changes nothing in its order of y's.
    lengths = jnp.sqrt(jnp.square(y).sum(axis=1, keepdims=True))
    directions = y / jnp.maximum(lengths, 1e-12)

    def choose(patch: Float[Array, " d"]) -> Int[Array, ""]:
        return jnp.argmax(jnp.dot(directions, patch, precision="highest"))

    rows = min(max(CHUNK // y.shape[0], 1), x.shape[0])
    return jax.lax.map(choose, x, batch_size=rows)


def critic_loss(
    style_scores: Float[Array, "b _ _"], output_scores: Float[Array, "b _ _"]
) -> Float[Array, ""]:
    """Returns the critic's hinge loss: 0 if styles score above 1, results below -1.

    The loss of MGAN's patches (Li and Wand 2016): the mean hinge over positions of
    both.

    Args:
        style_scores: Scores of the patches of the style.
        output_scores: Scores of the patches of the stylized image, of any size.
    """
    of_style = jnp.maximum(1.0 - style_scores.astype(jnp.float32), 0.0)
    of_output = jnp.maximum(1.0 + output_scores.astype(jnp.float32), 0.0)
    return of_style.mean() + of_output.mean()


def adversarial_loss(output_scores: Float[Array, "b _ _"]) -> Float[Array, ""]:
    """Returns the model's adversarial loss: the negative mean score of its patches."""
    return -output_scores.astype(jnp.float32).mean()
