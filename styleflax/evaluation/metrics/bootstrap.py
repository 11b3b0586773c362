"""Bootstrap intervals of means."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float


class Interval(NamedTuple):
    """A mean and its interval.

    Attributes:
        mean: Mean of the values.
        low: Lower end of the interval.
        high: Upper end.
    """

    mean: float
    low: float
    high: float


def bootstrap_mean(
    values: Float[np.ndarray, "..."],
    *,
    level: float = 0.95,
    draws: int = 10_000,
    seed: int = 0,
) -> Interval:
    """Returns the mean with its percentile bootstrap interval (Efron 1979).

    Args:
        values: (n,) independent values, or (contents, styles) for one value per pair.
            Pairs that share a picture are not independent, so contents and styles are
            drawn separately, which gives a wider interval.
        level: Intended probability that the interval covers the mean.
        draws: Number of resamplings.
        seed: Seed of the resampling; the same seed gives the same interval.

    Raises:
        ValueError: If there is no value or one that is not finite, if there are
            more than two axes, or if `level` or `draws` is out of range.

    Example:
        >>> bootstrap_mean([1.0, 1.0, 1.0]).mean
        1.0
    """
    x = np.asarray(values, np.float64)
    if x.ndim not in (1, 2) or x.size == 0:
        raise ValueError(f"values must have the shape (n,) or (n, m), got {x.shape}")
    if not np.isfinite(x).all():
        raise ValueError("values must be finite, got NaN or an infinity")
    if not 0 < level < 1:
        raise ValueError(f"level must be between 0 and 1, got {level}")
    if draws < 1:
        raise ValueError(f"draws must be at least 1, got {draws}")
    rng = np.random.default_rng(seed)
    shares = [rng.multinomial(n, np.full(n, 1 / n), size=draws) / n for n in x.shape]
    means = shares[0] @ x
    if x.ndim == 2:
        means = (means * shares[1]).sum(axis=1)
    tail = (1 - level) / 2
    low, high = np.quantile(means, (tail, 1 - tail))
    return Interval(float(x.mean()), float(low), float(high))
