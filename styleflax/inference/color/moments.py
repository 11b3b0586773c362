"""Mean and covariance of pictures' colours, gathered by bands, and moved to others."""

from typing import NamedTuple, Self

import numpy as np
from jaxtyping import Float


class ColorMoments(NamedTuple):
    """Sums over pixels in float64, which hold any picture's.

    Attributes:
        weight: Of all pixels.
        first: Of their colours.
        second: Of all products of two channels.
    """

    weight: float = 0.0
    first: Float[np.ndarray, "3"] = np.zeros(3)
    second: Float[np.ndarray, "3 3"] = np.zeros((3, 3))

    def plus(
        self,
        colors: Float[np.ndarray, "h w 3"],
        weights: Float[np.ndarray, "h w"] | None = None,
    ) -> Self:
        """These and more pixels, which count as much as their weights; 1 by default."""
        flat = colors.reshape(-1, 3).astype(np.float64)
        counted = flat if weights is None else flat * weights.reshape(-1, 1)
        weight = len(flat) if weights is None else weights.sum(dtype=np.float64)
        return self._replace(
            weight=self.weight + float(weight),
            first=self.first + counted.sum(axis=0),
            second=self.second + counted.T @ flat,
        )

    @property
    def mean(self) -> Float[np.ndarray, "3"]:
        """Of the colours."""
        return self.first / self.weight

    @property
    def covariance(self) -> Float[np.ndarray, "3 3"]:
        """Of the colours, biased."""
        return self.second / self.weight - np.outer(self.mean, self.mean)


def coral_transform(
    moments: ColorMoments, wanted: ColorMoments, eps: float = 1e-5
) -> Float[np.ndarray, "3 3"]:
    """What centred colours are multiplied by to have the wanted covariance.

    See `ops.color.coral_recolor`.
    """
    whitening = _power(moments.covariance, -0.5, eps)
    return whitening @ _power(wanted.covariance, 0.5, eps)


def _power(covariance: np.ndarray, exponent: float, eps: float) -> np.ndarray:
    values, axes = np.linalg.eigh(covariance)
    return (axes * (np.maximum(values, 0.0) + eps) ** exponent) @ axes.T
