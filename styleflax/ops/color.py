"""Recolouring a picture by linear maps of its pixels."""

import jax.numpy as jnp
from jaxtyping import Array, Float

from styleflax.ops.statistics import safe_sqrt


def coral_recolor(
    content: Float[Array, "b hc wc 3"],
    style: Float[Array, "b hs ws 3"],
    *,
    eps: float = 1e-5,
    clip: bool = True,
) -> Float[Array, "b hc wc 3"]:
    """Returns the contents with the mean and covariance of the styles' colours.

    Correlation alignment (Sun, Feng and Saenko 2016) of pixels: whitened by the
    inverse square root of the content's covariance, coloured by the square root of
    the style's, both symmetric. Nothing but colour comes from the style, which
    makes this the baseline that a style transfer has to beat. Where two principal
    variances are equal it has no gradient.

    Args:
        content: RGB in [0, 1].
        style: RGB in [0, 1], of any size.
        eps: Added to the variance along each principal axis of both, so that a
            picture of one colour, or of greys, gives finite ones.
        clip: Cut the result to [0, 1], after which the moments are the style's
            only roughly.
    """
    flat, target = (x.reshape(x.shape[0], -1, 3) for x in (content, style))
    mean, target_mean = (x.mean(axis=1, keepdims=True) for x in (flat, target))
    centred = flat - mean
    whitening = _covariance_power(centred, eps, inverse=True)
    colouring = _covariance_power(target - target_mean, eps, inverse=False)
    transform = jnp.matmul(whitening, colouring, precision="highest")
    moved = jnp.matmul(centred, transform, precision="highest") + target_mean
    moved = moved.reshape(content.shape)
    return jnp.clip(moved, 0.0, 1.0) if clip else moved


def _covariance_power(
    centred: Float[Array, "b n 3"], eps: float, *, inverse: bool
) -> Float[Array, "b 3 3"]:
    """Returns the symmetric square root of the covariance, or its inverse."""
    products = jnp.einsum("bni,bnj->bij", centred, centred, precision="highest")
    values, axes = jnp.linalg.eigh(products / centred.shape[1])
    roots = safe_sqrt(jnp.maximum(values, 0.0) + eps)
    scales = 1.0 / roots if inverse else roots
    return jnp.einsum("bik,bk,bjk->bij", axes, scales, axes, precision="highest")
