"""Adaptive instance normalization (Huang and Belongie, ICCV 2017)."""

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
    """Returns content features with the style's channel statistics (equation 8).

    Args:
        content: Feature map of the content.
        style_mean: Channel means of the style's feature map.
        style_std: Channel standard deviations of the style's feature map.
        alpha: Strength in [0, 1]; 0 returns `content` (equation 14).
        ddof: Degrees of freedom of the content's variance; see `channel_mean_std`.
        eps: Added to the content's variance.

    Returns:
        Float32 whatever the type of `content`.

    Example:
        >>> import jax.numpy as jnp
        >>> content = jnp.arange(8.0).reshape(1, 2, 2, 2)
        >>> moved = adain(content, jnp.zeros((1, 2)), jnp.ones((1, 2)))
        >>> moved.mean((1, 2)).round(3), moved.std((1, 2)).round(3)
        (Array([[0., 0.]], dtype=float32), Array([[1., 1.]], dtype=float32))
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
    """Returns features moved by a share `alpha` from one mean and deviation to another.

    This is the second half of AdaIN, for statistics of a region or of all tiles of a
    picture.
    """
    content = content.astype(jnp.float32)
    scale = new_std / std
    shift = new_mean - mean * scale
    transferred = content * scale[:, None, None] + shift[:, None, None]
    return alpha * transferred + (1.0 - alpha) * content


def rescale_regions(
    content: Float[Array, "b h w c"],
    moments: tuple[Float[Array, "b r c"], Float[Array, "b r c"]],
    targets: tuple[Float[Array, "r c"], Float[Array, "r c"]],
    strength: Float[Array, " r"],
    masks: Float[Array, "r h w"],
) -> Float[Array, "b h w c"]:
    """AdaIN of every region toward statistics of its own, summed by masks.

    A weighted sum of AdaIN outputs of several styles (equation 15) is one AdaIN toward
    the weighted sums of their means and deviations, so that `targets` may be mixes.

    Args:
        content: Feature map of the content.
        moments: Mean and deviation of the content in every region.
        targets: Mean and deviation that every region shall have.
        strength: Share of the style in every region, 0 to 1.
        masks: Regions at the feature map's size; they sum to 1 at every position.
    """
    content = content.astype(jnp.float32)
    (mean, std), (new_mean, new_std) = moments, targets
    total = jnp.zeros_like(content)
    for r, alpha in enumerate(strength):
        target = new_mean[r : r + 1], new_std[r : r + 1]
        moved = rescale(content, mean[:, r], std[:, r], *target, alpha)
        total = total + masks[r, :, :, None] * moved
    return total
