"""The color step in NumPy: it matches the chroma moments of an image to a painting's.

The formulas are those of `ops.color_match`, which names their sources.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float

LUMA = np.array([0.299, 0.587, 0.114])
TO_CHROMA = np.array(
    [[0.595716, -0.274453, -0.321263], [0.211456, -0.522591, 0.311135]]
)
FROM_CHROMA = np.linalg.inv(np.vstack([LUMA, TO_CHROMA]))[:, 1:]
MIN_VARIANCE = 1e-7
FAINT_VARIANCE = (1 / 255) ** 2


class ColorMoments(NamedTuple):
    """Sufficient statistics of the colors of regions, in float64.

    Attributes:
        count: Sum of the weights of the pixels.
        mean: Weighted mean of RGB.
        m2: Weighted sum of the products of deviations from `mean`.
    """

    count: Float[np.ndarray, " r"]  # type: ignore[assignment]  # hides tuple.count
    mean: Float[np.ndarray, "r 3"]
    m2: Float[np.ndarray, "r 3 3"]

    @property
    def covariance(self) -> Float[np.ndarray, "r 3 3"]:
        """The biased covariance of RGB; 0 for regions without weight."""
        return self.m2 / np.where(self.count > 0, self.count, 1.0)[:, None, None]


class Palette(NamedTuple):
    """Color statistics of a painting, or of the mix of styles of every region.

    Attributes:
        mean: Mean of RGB.
        covariance: Covariance of RGB.
    """

    mean: Float[np.ndarray, "*n 3"]
    covariance: Float[np.ndarray, "*n 3 3"]


class ColorMap(NamedTuple):
    """`color -> color + matrix @ color + offset` of every region; luma stays."""

    matrix: Float[np.ndarray, "r 3 3"]
    offset: Float[np.ndarray, "r 3"]


def color_moments(
    image: Float[np.ndarray, "h w 3"], masks: Float[np.ndarray, "r h w"] | None = None
) -> ColorMoments:
    """Returns moments of the colors of regions.

    Args:
        image: RGB values of any range.
        masks: Weight of every pixel in every region; None is one region of all pixels.
    """
    colors = image.reshape(-1, 3).astype(np.float64)
    weights = np.ones((1, len(colors))) if masks is None else masks
    parts = []
    for weight in weights.reshape(len(weights), -1):
        count = weight.sum(dtype=np.float64)
        mean = weight @ colors / (count if count > 0 else 1.0)
        centered = colors - mean
        parts.append((count, mean, (centered * weight[:, None]).T @ centered))
    return ColorMoments(*(np.stack(x) for x in zip(*parts, strict=True)))


def merge_color_moments(a: ColorMoments, b: ColorMoments) -> ColorMoments:
    """Returns the moments of two disjoint sets of pixels, such as bands of rows."""
    count = a.count + b.count
    share = b.count / np.where(count > 0, count, 1.0)
    difference = b.mean - a.mean
    between = difference[:, :, None] * difference[:, None, :]
    m2 = a.m2 + b.m2 + between * (a.count * share)[:, None, None]
    return ColorMoments(count, a.mean + difference * share[:, None], m2)


def color_palette(
    painting: Float[np.ndarray, "h w 3"], part: Float[np.ndarray, "h w"] | None = None
) -> Palette:
    """Returns the palette of a painting, or of the part of it under a mask."""
    moments = color_moments(painting, None if part is None else part[None])
    return Palette(moments.mean[0], moments.covariance[0])


def mix_palettes(palettes: list[Palette], weights: Float[np.ndarray, "r s"]) -> Palette:
    """Returns the palette of every region: the mean of its paintings' statistics."""
    mean, covariance = (np.stack(x) for x in zip(*palettes, strict=True))
    return Palette(weights @ mean, np.einsum("rs,scd->rcd", weights, covariance))


def color_map(
    moments: ColorMoments, palette: Palette, strength: Float[np.ndarray, " r"]
) -> ColorMap:
    """Returns the maps that match the chroma of regions to their palettes.

    Args:
        moments: Color moments of the image's regions.
        palette: Palette of every region.
        strength: Strength of every region; 0 leaves its colors as they are.
    """
    mean = moments.mean @ TO_CHROMA.T
    source, target = (
        TO_CHROMA @ x @ TO_CHROMA.T for x in (moments.covariance, palette.covariance)
    )
    change = strength[:, None, None] * (_monge_map(source, target) - np.eye(2))
    moved = np.einsum("rij,rj->ri", change, mean)
    shift = strength[:, None] * (palette.mean @ TO_CHROMA.T - mean) - moved
    matrix = FROM_CHROMA @ change @ TO_CHROMA
    return ColorMap(
        matrix.astype(np.float32), (shift @ FROM_CHROMA.T).astype(np.float32)
    )


def apply_color_map(
    image: Float[np.ndarray, "h w 3"],
    maps: ColorMap,
    masks: Float[np.ndarray, "r h w"] | None = None,
) -> Float[np.ndarray, "h w 3"]:
    """Returns an image, or rows of it, after the color maps of regions; not clipped.

    Args:
        image: RGB values of any range.
        maps: Color map of every region.
        masks: Share of every region at every pixel; None for one region.
    """
    total = image.copy()
    for r, (matrix, offset) in enumerate(zip(*maps, strict=True)):
        change = image @ matrix.T + offset
        total += change if masks is None else masks[r, :, :, None] * change
    return total


def _monge_map(
    source: Float[np.ndarray, "r 2 2"], target: Float[np.ndarray, "r 2 2"]
) -> Float[np.ndarray, "r 2 2"]:
    """Returns symmetric T with T source T = target, except for tiny variances."""
    middle, radius = _middle_and_radius(source)
    missing = np.maximum(MIN_VARIANCE - (middle - radius), 0.0)
    source = source + missing[:, None, None] * np.eye(2)
    target, of_target = _without_faint(target)
    determinant = np.linalg.det(source)
    root = np.sqrt(of_target / determinant)
    trace = np.einsum("rij,rij->r", source, target)
    scale = np.sqrt(np.maximum(trace + 2 * root * determinant, 0.0))
    adjugate = np.linalg.inv(source) * determinant[:, None, None]
    made = target + root[:, None, None] * adjugate
    filled = np.where(scale > 0, scale, 1.0)[:, None, None]
    return np.where(scale[:, None, None] > 0, made / filled, 0.0)


def _without_faint(
    target: Float[np.ndarray, "r 2 2"],
) -> tuple[Float[np.ndarray, "r 2 2"], Float[np.ndarray, " r"]]:
    """Returns covariances with tiny variances damped, and their determinants."""
    middle, radius = _middle_and_radius(target)
    variances = np.maximum([middle + radius, middle - radius], 0.0)
    is_faint = variances < FAINT_VARIANCE
    first, second = np.where(is_faint, variances**2 / FAINT_VARIANCE, variances)
    slope = (first - second) / np.where(radius > 0, 2 * radius, 1.0)
    shift = ((first + second) / 2 - slope * middle)[:, None, None]
    return slope[:, None, None] * target + shift * np.eye(2), first * second


def _middle_and_radius(
    x: Float[np.ndarray, "r 2 2"],
) -> tuple[Float[np.ndarray, " r"], Float[np.ndarray, " r"]]:
    """Returns the mean of both eigenvalues and half of their difference."""
    a, b, d = x[:, 0, 0], x[:, 0, 1], x[:, 1, 1]
    return (a + d) / 2, np.hypot((a - d) / 2, b)
