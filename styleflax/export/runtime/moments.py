"""Moments of feature maps in NumPy, mergeable over the windows of an image."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float


class Moments(NamedTuple):
    """Sufficient statistics of a feature map, by region and channel, in float64.

    Attributes:
        count: Sum of the mask's values over positions.
        mean: Weighted mean over positions.
        m2: Weighted sum of squared deviations from `mean`.
    """

    count: Float[np.ndarray, " r"]  # type: ignore[assignment]  # hides tuple.count
    mean: Float[np.ndarray, "r c"]
    m2: Float[np.ndarray, "r c"]


def region_moments(
    feature: Float[np.ndarray, "c h w"], masks: Float[np.ndarray, "r h w"]
) -> Moments:
    """Returns the moments of every region of a feature map, or of a window's core.

    Args:
        feature: Feature map, channels first.
        masks: Non-negative weight of every position in every region. A region of no
            weight has mean 0 and `m2` 0.
    """
    positions = feature.reshape(len(feature), -1).astype(np.float64)
    weights = masks.reshape(len(masks), -1).astype(np.float64)
    count = weights.sum(axis=1)
    mean = weights @ positions.T / np.where(count > 0, count, 1.0)[:, None]
    squares = [
        np.square(positions - of_region[:, None]) @ weight
        for of_region, weight in zip(mean, weights, strict=True)
    ]
    return Moments(count, mean, np.stack(squares))


def merge_moments(a: Moments, b: Moments) -> Moments:
    """Returns the moments of the union of two disjoint sets of positions.

    Uses the pairwise update of Chan, Golub and LeVeque (1979).
    """
    count = a.count + b.count
    share = (b.count / np.where(count > 0, count, 1.0))[:, None]
    difference = b.mean - a.mean
    mean = a.mean + difference * share
    return Moments(count, mean, a.m2 + b.m2 + difference**2 * a.count[:, None] * share)


def merge_regions(moments: Moments) -> Moments:
    """Returns the moments of the union of all regions."""
    parts = [Moments(*(x[r : r + 1] for x in moments)) for r in range(len(moments[0]))]
    total = parts[0]
    for part in parts[1:]:
        total = merge_moments(total, part)
    return total


def mean_std(
    moments: Moments, ddof: int = 0, eps: float = 1e-5
) -> tuple[Float[np.ndarray, "r c"], Float[np.ndarray, "r c"]]:
    """Returns mean and standard deviation in float32, as the decoder takes them.

    Args:
        moments: Moments of regions.
        ddof: The divisor is the count minus `ddof`, but at least 1.
        eps: Added to the variance, inside the square root.
    """
    divisor = np.maximum(moments.count - ddof, 1.0)[:, None]
    std = np.sqrt(moments.m2 / divisor + eps)
    return moments.mean.astype(np.float32), std.astype(np.float32)
