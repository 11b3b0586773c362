"""Style losses of one layer: distances between statistics over all positions.

`losses.registry` sums them over layers.
"""

import jax.numpy as jnp
from jaxtyping import Array, Float

from styleflax.ops.statistics import channel_mean_std, gram_matrix
from styleflax.types import FeatureMap

REDUCTIONS = ("channel_mean", "channel_sum")
MeanStd = tuple[Float[Array, "b _"], Float[Array, "b _"]]


def mean_std_loss(
    feature: FeatureMap,
    target: MeanStd,
    *,
    reduction: str = "channel_mean",
    ddof: int = 0,
    eps: float = 1e-5,
) -> Float[Array, ""]:
    """Squared differences of channel means and deviations.

    Huang and Belongie 2017, equation 13, of one layer.

    Args:
        feature: Feature map of the stylized image.
        target: Mean and standard deviation of the style's channels.
        reduction: `channel_mean` averages over channels (naoto0804's code),
            `channel_sum` sums over them (the authors' Lua code), which weighs
            deep layers more. Both average over the batch.
        ddof: Degrees of freedom of the variances; see `channel_mean_std`.
        eps: Added to the variances.

    Raises:
        ValueError: If the reduction is unknown.

    Example:
        >>> import jax.numpy as jnp
        >>> feature = jnp.arange(8.0).reshape(1, 2, 2, 2)
        >>> mean, std = feature.mean((1, 2)), feature.std((1, 2))
        >>> float(mean_std_loss(feature, (mean + 1, std), eps=0.0))
        1.0
    """
    if reduction not in REDUCTIONS:
        raise ValueError(f"reduction must be one of {REDUCTIONS}, got {reduction!r}")
    mean, std = channel_mean_std(feature, ddof=ddof, eps=eps)
    squares = jnp.square(mean - target[0]) + jnp.square(std - target[1])
    channels = mean.shape[-1] if reduction == "channel_sum" else 1
    return squares.mean() * channels


def gram_loss(feature: FeatureMap, target: Float[Array, "b c c"]) -> Float[Array, ""]:
    """Distance of Gram matrices relative to the style's.

    Gatys et al. 2016 compare Gram matrices by squared differences, whose size
    depends on how strongly each picture excites each layer. The Frobenius norm of
    the difference over that of the style's matrix lets all pictures and layers
    weigh alike: 0 where both agree, 1 for a black picture.

    Args:
        feature: Feature map of the stylized image.
        target: `gram_matrix` of the style.

    Example:
        >>> import jax.numpy as jnp
        >>> from styleflax.ops.statistics import gram_matrix
        >>> feature = jnp.arange(8.0).reshape(1, 2, 2, 2)
        >>> round(float(gram_loss(feature, gram_matrix(feature))), 3)
        0.0
        >>> float(gram_loss(0 * feature, gram_matrix(feature)))
        1.0
    """
    squares = jnp.square(gram_matrix(feature) - target).sum(axis=(1, 2))
    norms = jnp.square(target).sum(axis=(1, 2))
    # Both floors are far below any picture's; the inner one keeps the
    # gradient finite where a picture is its own style.
    return jnp.sqrt((squares + 1e-12) / (norms + 1e-12)).mean()


def gram_squared_loss(
    feature: FeatureMap, target: Float[Array, "b c c"]
) -> Float[Array, ""]:
    """Mean squared difference of the Gram matrices' entries.

    Of means over positions, as `gram_matrix` takes them: 4 times the layer's loss of
    Gatys et al. 2016, and for c channels the squared Frobenius distance of matrices
    over c h w of Johnson et al. 2016, for which the style's size does not count
    either. Not relative to the style's strength, as `gram_loss` is.

    Args:
        feature: Feature map of the stylized image.
        target: `gram_matrix` of the style.
    """
    return jnp.square(gram_matrix(feature) - target).mean()


def balanced_gram_loss(
    feature: FeatureMap, target: Float[Array, "b c c"]
) -> Float[Array, ""]:
    """Squared distance of Gram matrices over the sum of their squared norms.

    Cheng et al. 2021 ("Style-aware normalized loss"): the squared distance of Gatys et
    al. over its largest possible value. Gram matrices have no negative scalar product,
    so that this is between 0, where both agree, and 1, whatever the style.

    Args:
        feature: Feature map of the stylized image.
        target: `gram_matrix` of the style.
    """
    gram = gram_matrix(feature)
    return _balanced(jnp.square(gram - target), jnp.square(gram) + jnp.square(target))


def balanced_mean_std_loss(
    feature: FeatureMap, target: MeanStd, *, ddof: int = 0, eps: float = 1e-5
) -> Float[Array, ""]:
    """Squared differences of means and deviations over the sum of their squares.

    Equation 13 of Huang and Belongie 2017, normalized as Cheng et al. 2021 do it: of
    features that are not negative it is between 0 and 1, whatever the style.

    Args:
        feature: Feature map of the stylized image.
        target: Mean and standard deviation of the style.
        ddof: Degrees of freedom of the variances; see `channel_mean_std`.
        eps: Added to the variances.
    """
    found = jnp.stack(channel_mean_std(feature, ddof=ddof, eps=eps), axis=1)
    wanted = jnp.stack(target, axis=1)
    norms = jnp.square(found) + jnp.square(wanted)
    return _balanced(jnp.square(found - wanted), norms)


def _balanced(
    squares: Float[Array, "b _ _"], norms: Float[Array, "b _ _"]
) -> Float[Array, ""]:
    # The floor is far below any picture's.
    return (squares.sum(axis=(1, 2)) / (norms.sum(axis=(1, 2)) + 1e-12)).mean()
