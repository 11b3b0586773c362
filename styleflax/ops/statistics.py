"""Channel statistics: plain, masked, merged over parts of a picture, and transferred.

Their transfer is AdaIN, adaptive instance normalization (Huang and Belongie 2017).
"""

from functools import reduce
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

BLOCK = 32
"""Columns that are added at once: XLA adds more of them in another, slower way."""


class Moments(NamedTuple):
    """Sufficient statistics of a feature map, by region and channel.

    Attributes:
        count: Sum of the mask's values over positions.
        mean: Weighted mean over positions.
        m2: Weighted sum of squared deviations from `mean`.
    """

    count: Float[Array, "b r"]  # type: ignore[assignment]  # hides tuple.count
    mean: Float[Array, "b r c"]
    m2: Float[Array, "b r c"]


def safe_sqrt(x: Float[Array, "..."]) -> Float[Array, "..."]:
    """Square root of a non-negative array, with gradient 0 (not inf) at 0."""
    zero = x <= 0  # not for NaN, which stays
    return jnp.where(zero, 0.0, jnp.sqrt(jnp.where(zero, 1.0, x)))


def mean_square(x: Float[Array, "*_"]) -> Float[Array, ""]:
    """Mean of the squares of all elements.

    As a scalar product: on CPU in half the time of a sum and, over millions of
    elements, to 1e-7 instead of 2e-5.
    """
    flat = x.reshape(-1)
    return jnp.dot(flat, flat, precision="highest") / flat.size


def channel_mean_std(
    x: Float[Array, "b h w c"], *, ddof: int = 0, eps: float = 1e-5
) -> tuple[Float[Array, "b c"], Float[Array, "b c"]]:
    """Returns mean and standard deviation over positions, in float32.

    Args:
        x: Feature map or image.
        ddof: 0 for the biased variance (the authors' Lua code), 1 for the
            unbiased one (naoto0804's PyTorch code). The variance of a single
            position is 0 with either.
        eps: Added to the variance, inside the square root.

    Returns:
        `mean` and `sqrt(variance + eps)`.

    Example:
        >>> import jax.numpy as jnp
        >>> mean, std = channel_mean_std(jnp.array([[[[1.0], [3.0]]]]), eps=0.0)
        >>> float(mean[0, 0]), float(std[0, 0])
        (2.0, 1.0)
    """
    positions = x.shape[1] * x.shape[2]
    mean, squares = _mean_and_squares(x.astype(jnp.float32))
    return mean, safe_sqrt(squares / max(positions - ddof, 1) + eps)


@jax.custom_jvp
def _mean_and_squares(
    x: Float[Array, "b h w c"],
) -> tuple[Float[Array, "b c"], Float[Array, "b c"]]:
    """Mean and sum of squared deviations over positions."""
    mean = _sum_positions(x) / (x.shape[1] * x.shape[2])
    return mean, _sum_positions(jnp.square(x - mean[:, None, None]))


@_mean_and_squares.defjvp
def _mean_and_squares_jvp(
    primals: tuple[Array], tangents: tuple[Array]
) -> tuple[tuple[Array, Array], tuple[Array, Array]]:
    (x,), (tangent,) = primals, tangents
    mean, squares = _mean_and_squares(x)
    # The mean's own change adds nothing: deviations from it sum to 0.
    products = 2.0 * (x - mean[:, None, None]) * tangent
    changes = _sum_positions(tangent) / (x.shape[1] * x.shape[2])
    return (mean, squares), (changes, _sum_positions(products))


def _sum_positions(x: Float[Array, "b h w c"]) -> Float[Array, "b c"]:
    """Sum over positions: of every few columns, then of these sums by a product.

    XLA's own takes ten times as long on CPU; without jaxlib's YNNPACK, that is. A
    product alone would leave the deviation of 256 x 256 positions wrong by 1e-4.
    """
    b, h, w, c = x.shape
    if not (isinstance(h, int) and isinstance(w, int)):  # symbols, for any size
        return x.sum(axis=(1, 2))
    rest = w % BLOCK
    sums = x[:, :, : w - rest].reshape(b, h, w // BLOCK, BLOCK, c).sum(axis=3)
    if rest:
        last = x[:, :, w - rest :].sum(axis=2, keepdims=True)
        sums = jnp.concatenate([sums, last], axis=2)
    sums = sums.reshape(b, -1, c)
    ones = jnp.ones((1, sums.shape[1]), x.dtype)
    return jnp.matmul(ones, sums, precision="highest")[:, 0]


def mean_variance_norm(
    x: Float[Array, "b h w c"], *, ddof: int = 0, eps: float = 1e-5
) -> Float[Array, "b h w c"]:
    """Every channel less its mean over positions, over its standard deviation.

    Instance normalization without scale and shift, in float32; arguments as in
    `channel_mean_std`.
    """
    mean, std = channel_mean_std(x, ddof=ddof, eps=eps)
    return (x.astype(jnp.float32) - mean[:, None, None]) / std[:, None, None]


def region_moments(x: Float[Array, "b h w c"], masks: Float[Array, "r h w"]) -> Moments:
    """Returns the moments of every region of a feature map, in float32.

    Args:
        x: Feature map, or one tile of it.
        masks: Non-negative weight of every position in every region. A region
            of no weight has mean 0 and `m2` 0.
    """
    x = x.astype(jnp.float32)
    count = masks.sum(axis=(1, 2))
    total = jnp.einsum("bhwc,rhw->brc", x, masks)
    mean = total / jnp.maximum(count, jnp.finfo(jnp.float32).tiny)[None, :, None]
    deviation = jnp.square(x[:, None] - mean[:, :, None, None])
    m2 = jnp.einsum("brhwc,rhw->brc", deviation, masks)
    return Moments(jnp.broadcast_to(count, (x.shape[0], count.size)), mean, m2)


def merge_moments(a: Moments, b: Moments) -> Moments:
    """Returns the moments of two disjoint sets of positions together.

    Pairwise update of Chan, Golub and LeVeque (1979): it is exact, and stable where the
    difference of two large sums of squares is not.

    Example:
        >>> import jax.numpy as jnp
        >>> x = jnp.array([[[[1.0], [2.0], [6.0]]]])
        >>> parts = [region_moments(x[:, :, k], jnp.ones((1, 1, k.stop - k.start)))
        ...          for k in (slice(0, 1), slice(1, 3))]
        >>> float(merge_moments(*parts).mean[0, 0, 0])
        3.0
    """
    count = a.count + b.count
    share = (b.count / jnp.maximum(count, jnp.finfo(jnp.float32).tiny))[..., None]
    difference = b.mean - a.mean
    return Moments(
        count,
        a.mean + difference * share,
        a.m2 + b.m2 + jnp.square(difference) * a.count[..., None] * share,
    )


def merge_regions(moments: Moments) -> Moments:
    """Returns the moments of all regions together, as one region."""
    regions = range(moments.count.shape[1])
    parts = (Moments(*(x[:, r : r + 1] for x in moments)) for r in regions)
    return reduce(merge_moments, parts)


def moments_mean_std(
    moments: Moments, *, ddof: int = 0, eps: float = 1e-5
) -> tuple[Float[Array, "b r c"], Float[Array, "b r c"]]:
    """Returns mean and standard deviation of moments, as `channel_mean_std` does.

    A region with a count of at most `ddof` + 1 positions divides by 1, as a
    single position does there.
    """
    divisor = jnp.maximum(moments.count - ddof, 1.0)[..., None]
    return moments.mean, safe_sqrt(moments.m2 / divisor + eps)


def normalize_regions(
    x: Float[Array, "b h w c"], moments: Moments, *, ddof: int = 0, eps: float = 1e-5
) -> list[Float[Array, "b h w c"]]:
    """The map normalized by the moments of every region, in float32.

    Arguments as in `moments_mean_std`; see `mean_variance_norm` for the whole map's.
    """
    statistics = moments_mean_std(moments, ddof=ddof, eps=eps)
    mean, std = (value[:, :, None, None] for value in statistics)
    x = x.astype(jnp.float32)
    return [(x - mean[:, r]) / std[:, r] for r in range(mean.shape[1])]


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
        Float32, independent of the type of `content`.

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


def gram_matrix(feature: Float[Array, "b h w c"]) -> Float[Array, "b c c"]:
    """Returns the mean over positions of products of all channel pairs, in float32.

    Gatys et al. 2016 sum over positions; the mean lets pictures of different
    sizes be compared.

    Example:
        >>> import jax.numpy as jnp
        >>> gram_matrix(jnp.array([[[[1.0, 2.0], [3.0, 0.0]]]]))
        Array([[[5., 1.],
                [1., 2.]]], dtype=float32)
    """
    b, h, w, c = feature.shape
    flat = feature.reshape(b, h * w, c)
    # Products of bfloat16 are exact in float32, and a GPU's matrix units make them so
    # ten times as fast as those of float32.
    if flat.dtype != jnp.bfloat16:
        flat = flat.astype(jnp.float32)
    products = jnp.einsum(
        "bnc,bnd->bcd",
        flat,
        flat,
        precision="highest",
        preferred_element_type=jnp.float32,
    )
    return products / (h * w)
