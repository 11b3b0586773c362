"""The color step: a picture's chroma moved to a painting's, by moments alone.

Colors are split into luma and two coordinates of chroma (YIQ of NTSC). The chroma of a
picture is moved by the optimal linear map between two Gaussians (Monge's map; Pitié and
Kokaram 2007) to the mean and covariance of the painting's chroma; luma stays. All that
the step needs of a picture is a mean and a covariance of three numbers, which can be
merged over windows, devices and frames. The formulas are written out for 2x2 matrices:
they have no decomposition, so that they have a gradient wherever pictures are not of
one color, and are easily written in another language.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from styleflax.ops.spatial import area_average, pixel_masks
from styleflax.ops.statistics import safe_sqrt
from styleflax.types import Image

LUMA = np.array([0.299, 0.587, 0.114], np.float32)
"""Weights of red, green and blue in the luma of NTSC (ITU-R BT.601)."""
TO_CHROMA = np.array(
    [[0.595716, -0.274453, -0.321263], [0.211456, -0.522591, 0.311135]], np.float32
)
"""I and Q of RGB; rows sum to 0, so that grays have no chroma."""
FROM_CHROMA = np.linalg.inv(np.vstack([LUMA, TO_CHROMA]))[:, 1:].astype(np.float32)
"""RGB of I and Q; its luma is 0."""
MIN_VARIANCE = 1e-7
"""Chroma that varies less in some direction counts as varying so, in order that what
rounding leaves of a gray picture's chroma is not enlarged to a painting's colors."""
FAINT_VARIANCE = (1 / 255) ** 2
"""A painting's chroma that varies less than a step of 8 bits in some direction counts
as varying still less. The map needs the deviation, and the root of a small variance
has lost half of its digits: float32 would turn rounding into colors."""


PALETTE = "palette"
"""Under this name a style has the mean and covariance of its painting's colors."""


class ColorMoments(NamedTuple):
    """Sufficient statistics of the colors of sets of pixels.

    Attributes:
        count: Sum of the weights of the pixels.
        mean: Weighted mean of RGB.
        m2: Weighted sum of the products of deviations from `mean`.
    """

    count: Float[Array, "*n"]  # type: ignore[assignment]  # hides tuple.count
    mean: Float[Array, "*n 3"]
    m2: Float[Array, "*n 3 3"]

    @property
    def covariance(self) -> Float[Array, "*n 3 3"]:
        """Returns the biased covariance of RGB; 0 where nothing was counted."""
        return self.m2 / jnp.maximum(self.count, _TINY)[..., None, None]


class Palette(NamedTuple):
    """Color statistics of a painting, or of a mix of paintings, for the color step.

    Attributes:
        mean: Mean of RGB.
        covariance: Covariance of RGB.
    """

    mean: Float[Array, "*n 3"]
    covariance: Float[Array, "*n 3 3"]


class ColorMap(NamedTuple):
    """`color -> color + matrix @ color + offset`, which leaves luma as it is."""

    matrix: Float[Array, "*n 3 3"]
    offset: Float[Array, "*n 3"]


_TINY = np.finfo(np.float32).tiny
_EXACT = "highest"
"""Precision of products; accelerators would leave out digits."""


def color_moments(
    image: Float[Array, "b h w 3"], masks: Float[Array, "r h w"] | None = None
) -> ColorMoments:
    """Returns moments of the colors of every picture's regions, (b, r).

    Two passes are needed, since float32 would lose digits in the difference of large
    sums.

    Args:
        image: RGB, of any range.
        masks: Non-negative weight of every pixel in every region; None is one region
            with equal weights. A region without weight has mean and `m2` 0.
    """
    image = image.astype(jnp.float32)
    if masks is None:
        masks = jnp.ones((1, *image.shape[1:3]), jnp.float32)
    rough = image.mean(axis=(1, 2))
    centered = image - rough[:, None, None]
    count = masks.sum(axis=(1, 2))
    filled = jnp.maximum(count, _TINY)
    means, squares = [], []
    for r in range(masks.shape[0]):
        weighed = centered * masks[r, :, :, None]
        means.append(weighed.sum(axis=(1, 2)) / filled[r])
        # Row by row, as one long sum in float32 would lose two digits more.
        rows = jnp.einsum("bhwc,bhwd->bhcd", weighed, centered, precision=_EXACT)
        squares.append(rows.sum(axis=1))
    shift, second = jnp.stack(means, axis=1), jnp.stack(squares, axis=1)
    m2 = second - count[:, None, None] * _outer(shift)
    mean = (rough[:, None] + shift) * (count > 0)[:, None]
    return ColorMoments(jnp.broadcast_to(count, mean.shape[:2]), mean, m2)


def merge_color_moments(a: ColorMoments, b: ColorMoments) -> ColorMoments:
    """Returns the moments of two disjoint sets of pixels together.

    Pairwise update of Chan, Golub and LeVeque (1979), as in
    `ops.statistics.merge_moments`.
    """
    count = a.count + b.count
    share = (b.count / jnp.maximum(count, _TINY))[..., None]
    difference = b.mean - a.mean
    between = _outer(difference) * (a.count[..., None] * share)[..., None]
    return ColorMoments(count, a.mean + difference * share, a.m2 + b.m2 + between)


def color_palette(image: Float[Array, "1 h w 3"], part: Array | None = None) -> Palette:
    """Returns the palette of a painting, (1, ...).

    Args:
        image: RGB in [0, 1].
        part: Weight of every pixel, (1, h, w); all alike by default.
    """
    moments = color_moments(image, part)
    return Palette(moments.mean[:, 0], moments.covariance[:, 0])


def mix_palettes(palettes: Palette, weights: Float[Array, "r s"]) -> Palette:
    """Returns the palette of every region: the mean of its paintings' statistics.

    Args:
        palettes: (s, ...), one for each style.
        weights: Share of every style in every region; rows sum to 1.
    """
    return Palette(
        jnp.einsum("rs,sc->rc", weights, palettes.mean, precision=_EXACT),
        jnp.einsum("rs,scd->rcd", weights, palettes.covariance, precision=_EXACT),
    )


def color_map(
    moments: ColorMoments, palette: Palette, strength: Float[Array, "*n"] | float = 1.0
) -> ColorMap:
    """Returns the map that moves chroma to that of a palette.

    Args:
        moments: Moments of the picture.
        palette: Target of the chroma; its shape must broadcast.
        strength: Share of the map, 0 to 1: 0 changes nothing; at 1 the mean and
            covariance of chroma are the palette's, except that a picture whose chroma
            hardly varies gets the mean and a smaller covariance. In between, the map is
            mixed with the identity.
    """
    mean, covariance = _chroma(moments.mean), _of_chroma(moments.covariance)
    target_mean, target = _chroma(palette.mean), _of_chroma(palette.covariance)
    transport = _monge_map(covariance, target)
    strength = jnp.asarray(strength, jnp.float32)
    change = strength[..., None, None] * (transport - jnp.eye(2))
    moved = jnp.einsum("...ij,...j->...i", change, mean, precision=_EXACT)
    shift = strength[..., None] * (target_mean - mean) - moved
    matrix = jnp.einsum(
        "ci,...ij,jd->...cd", FROM_CHROMA, change, TO_CHROMA, precision=_EXACT
    )
    offset = jnp.einsum("ci,...i->...c", FROM_CHROMA, shift, precision=_EXACT)
    return ColorMap(matrix, offset)


def apply_color_map(
    image: Float[Array, "b h w 3"],
    maps: ColorMap,
    masks: Float[Array, "r h w"] | None = None,
) -> Float[Array, "b h w 3"]:
    """Returns the picture after the maps of its regions, (b, r, ...), mixed by masks.

    Args:
        image: RGB, of any range.
        maps: Maps of every picture and region.
        masks: Share of every region at every pixel; None where there is one region.

    Returns:
        RGB, not clipped.
    """
    total = image
    for r in range(maps.offset.shape[1]):
        matrix, offset = maps.matrix[:, r], maps.offset[:, r]
        change = jnp.einsum("bhwc,bdc->bhwd", image, matrix, precision=_EXACT)
        change = change + offset[:, None, None]
        total = total + (change if masks is None else masks[r, :, :, None] * change)
    return total


def match_chroma(
    image: Float[Array, "b h w 3"],
    palette: Palette,
    strength: Float[Array, " r"] | float = 1.0,
    masks: Float[Array, "r h w"] | None = None,
) -> Float[Array, "b h w 3"]:
    """Returns pictures with a palette's mean and covariance of chroma; luma is kept.

    Args:
        image: RGB, of any range.
        palette: Palette of every region, (r, ...), for all pictures; or (b, 1, ...).
        strength: Strength of every region, 0 to 1; see `color_map`.
        masks: Share of every region at every pixel; None where there is one region.

    Returns:
        RGB, not clipped.

    Example:
        >>> import jax.numpy as jnp
        >>> import jax
        >>> image, painting = jax.random.uniform(jax.random.key(0), (2, 1, 8, 8, 3))
        >>> result = match_chroma(image, color_palette(painting), 1.0)
        >>> result.shape
        (1, 8, 8, 3)
    """
    maps = color_map(color_moments(image, masks), palette, strength)
    return apply_color_map(image, maps, masks)


def match_colors(
    image: Image,
    styles: Sequence[Mapping[str, Any]],
    weights: Float[Array, "r s"],
    color_match: Float[Array, " r"],
    masks: Float[Array, "r _ _"],
) -> Image:
    """Returns a picture with the chroma of its paintings; see `match_chroma`.

    Args:
        image: With detail added.
        styles: With palettes.
        weights: Share of every style in every region.
        color_match: Strength in every region.
        masks: Regions, of any height and width.
    """
    palette = mixed_palette(styles, weights)
    at_pixels = pixel_masks(masks, *image.shape[1:3])
    return match_chroma(image, palette, color_match, at_pixels)


def match_pairs(
    image: Image, style: Image, strength: Float[Array, ""] | float
) -> Image:
    """Returns images with the chroma of their paintings, for training.

    Args:
        image: As decoded.
        style: As many paintings, of any size.
        strength: 0 to 1; see `color_map`.
    """
    moments = color_moments(style)
    return match_chroma(image, Palette(moments.mean, moments.covariance), strength)


def with_palette(
    style: Mapping[str, Any], inputs: Mapping[str, Array]
) -> dict[str, Any]:
    """Returns a style with the palette of its painting.

    Args:
        style: As `Method.encode_style` returned it.
        inputs: What that was given; with a "mask" only that part counts.
    """
    image, part = inputs["image"], inputs.get("mask")
    if part is not None:
        part = area_average(part, *image.shape[1:3])
    return {**style, PALETTE: color_palette(image, part)._asdict()}


def add_palette(
    style: Mapping[str, Any], palette: Mapping[str, Any] | None
) -> Mapping[str, Any]:
    """Returns a style with the palette that a model file has of it, if it has one."""
    if palette is None:
        return style
    arrays = {name: jnp.asarray(palette[name], jnp.float32) for name in Palette._fields}
    return {**style, PALETTE: arrays}


def without_palettes(styles: Sequence[Any]) -> list[Any]:
    """Returns styles as methods encode them, without palettes."""
    return [
        {k: v for k, v in style.items() if k != PALETTE}
        if has_palette(style)
        else style
        for style in styles
    ]


def palettes_alone(styles: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Returns the palettes of styles, which have one shape for all methods."""
    return [{PALETTE: style[PALETTE]} for style in styles]


def has_palette(style: Any) -> bool:
    """Returns whether a style has a palette; style files of version 1 lack it."""
    return isinstance(style, Mapping) and PALETTE in style


def mixed_palette(
    styles: Sequence[Mapping[str, Any]], weights: Float[Array, "r s"]
) -> Palette:
    """Returns the palette of every region; see `mix_palettes`."""
    palettes = [style[PALETTE] for style in styles]
    stacked = [jnp.concatenate([p[name] for p in palettes]) for name in Palette._fields]
    return mix_palettes(Palette(*stacked), weights)


def _outer(x: Float[Array, "*n 3"]) -> Float[Array, "*n 3 3"]:
    return x[..., :, None] * x[..., None, :]


def _chroma(color: Float[Array, "*n 3"]) -> Float[Array, "*n 2"]:
    return jnp.einsum("ic,...c->...i", TO_CHROMA, color, precision=_EXACT)


def _of_chroma(covariance: Float[Array, "*n 3 3"]) -> Float[Array, "*n 2 2"]:
    return jnp.einsum(
        "ic,...cd,jd->...ij", TO_CHROMA, covariance, TO_CHROMA, precision=_EXACT
    )


def _monge_map(
    source: Float[Array, "*n 2 2"], target: Float[Array, "... 2 2"]
) -> Float[Array, "*n 2 2"]:
    """The symmetric matrix T with T source T = target, but for faint variances.

    It is `source^-1 (source target)^1/2`, and of 2x2 matrices a square root is
    `(M + sqrt(det M) 1) / sqrt(tr M + 2 sqrt(det M))`.
    """
    middle, radius = _middle_and_radius(source)
    missing = jnp.maximum(MIN_VARIANCE - (middle - radius), 0.0)
    source = source + missing[..., None, None] * jnp.eye(2)
    target, of_target = _without_faint(target)
    root = safe_sqrt(of_target / _det(source))[..., None, None]
    scale = jnp.einsum("...ij,...ij->...", source, target, precision=_EXACT)
    scale = safe_sqrt(scale + 2 * root[..., 0, 0] * _det(source))
    a, b, d = source[..., 0, 0], source[..., 0, 1], source[..., 1, 1]
    adjugate = jnp.stack([jnp.stack([d, -b], -1), jnp.stack([-b, a], -1)], -2)
    numerator = target + root * adjugate
    none = scale <= 0
    return jnp.where(
        none[..., None, None],
        0.0,
        numerator / jnp.where(none, 1.0, scale)[..., None, None],
    )


def _without_faint(
    target: Float[Array, "*n 2 2"],
) -> tuple[Float[Array, "*n 2 2"], Float[Array, "*n"]]:
    """Covariances with faint variances made fainter, and their determinants.

    A variance v below `FAINT_VARIANCE` becomes v**2 / `FAINT_VARIANCE`, whose root is
    v but for a factor. The determinant is a product, as the difference of products
    that it is of the matrix would have no digit left.
    """
    middle, radius = _middle_and_radius(target)
    variances = jnp.maximum(jnp.stack([middle + radius, middle - radius]), 0.0)
    is_faint = variances < FAINT_VARIANCE
    first, second = jnp.where(is_faint, variances**2 / FAINT_VARIANCE, variances)
    slope = (first - second) / jnp.where(radius > 0, 2 * radius, 1.0)
    shift = ((first + second) / 2 - slope * middle)[..., None, None]
    return slope[..., None, None] * target + shift * jnp.eye(2), first * second


def _middle_and_radius(
    x: Float[Array, "*n 2 2"],
) -> tuple[Float[Array, "*n"], Float[Array, "*n"]]:
    """Returns the mean of both eigenvalues and half of their difference."""
    half = (x[..., 0, 0] - x[..., 1, 1]) / 2
    return (x[..., 0, 0] + x[..., 1, 1]) / 2, safe_sqrt(half**2 + x[..., 0, 1] ** 2)


def _det(x: Float[Array, "*n 2 2"]) -> Float[Array, "*n"]:
    return x[..., 0, 0] * x[..., 1, 1] - x[..., 0, 1] * x[..., 1, 0]
