"""Adaptive instance normalisation (Huang and Belongie, ICCV 2017)."""

import jax.numpy as jnp
from jaxtyping import Array, Float

from styleflax.ops.statistics import channel_mean_std


def adain(
    content: Float[Array, "b h w c"],
    style_mean: Float[Array, "b c"],
    style_std: Float[Array, "b c"],
    *,
    alpha: float | Float[Array, ""] = 1.0,
    ddof: int = 0,
    eps: float = 1e-5,
) -> Float[Array, "b h w c"]:
    """Content features carrying the style's channel statistics (equation 8).

    Args:
        content: Feature map of the content.
        style_mean: Channel means of the style's feature map.
        style_std: Its channel standard deviations.
        alpha: Strength in [0, 1]; 0 returns `content` (equation 14).
        ddof: Of the content's variance; see `channel_mean_std`.
        eps: Added to the content's variance.

    Returns:
        Float32 whatever the type of `content`.
    """
    mean, std = channel_mean_std(content, ddof=ddof, eps=eps)
    return rescale(content, mean, std, style_mean, style_std, alpha)


def rescale(
    content: Float[Array, "b h w c"],
    mean: Float[Array, "b c"],
    std: Float[Array, "b c"],
    new_mean: Float[Array, "#b c"],
    new_std: Float[Array, "#b c"],
    alpha: float | Float[Array, ""] = 1.0,
) -> Float[Array, "b h w c"]:
    """Features moved from one mean and deviation to another, by a share `alpha`.

    The second half of AdaIN, for statistics that come from elsewhere: from a
    region, or from all tiles of a picture.
    """
    content = content.astype(jnp.float32)
    scale = new_std / std
    shift = new_mean - mean * scale
    transferred = content * scale[:, None, None] + shift[:, None, None]
    return alpha * transferred + (1.0 - alpha) * content
