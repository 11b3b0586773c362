"""Distances between the colors of an image and those of a style."""

import numpy as np
from jaxtyping import Array, Float
from skimage.color import rgb2lab
from skimage.filters import gaussian

from styleflax.evaluation.metrics.pictures import check_pictures

BIN_WIDTH = 5.0
"""Side of the cubes of the histogram, in units of CIELAB."""

# In sRGB, a ranges from -86 to 98 and b from -108 to 94.
_RANGES = ((0.0, 100.0), (-110.0, 110.0), (-110.0, 110.0))
_BINS = tuple(round((high - low) / BIN_WIDTH) for low, high in _RANGES)

COLOR_BINS = 32
"""Number of bins of each channel's own histogram."""
_COLOR_RANGES = ((0.0, 100.0), (-80.0, 80.0), (-80.0, 80.0))


def lab_histogram(picture: Float[np.ndarray, "h w 3"]) -> Float[np.ndarray, "l a b"]:
    """Returns the joint distribution of L, a and b (D65), smoothed by one bin.

    By the smoothing, nearby colors in neighboring bins count as similar.

    Args:
        picture: RGB in [0, 1]; values outside are clipped.

    Returns:
        Non-negative shares that sum to 1.
    """
    lab = _lab(picture)
    counts, _ = np.histogramdd(lab.reshape(-1, 3), bins=_BINS, range=_RANGES)
    return gaussian(counts / counts.sum(), 1.0, mode="reflect")


def channel_histograms(
    picture: Float[np.ndarray, "h w 3"],
) -> Float[np.ndarray, "3 bins"]:
    """Returns the marginal distributions of L, a and b (D65).

    Each has `COLOR_BINS` bins, from 0 to 100 for L and from -80 to 80 for a and b;
    values outside are counted in the first or last bin.

    Args:
        picture: RGB in [0, 1]; values outside are clipped.

    Returns:
        Non-negative shares; each row sums to 1.
    """
    channels = np.moveaxis(_lab(picture), -1, 0)
    counts = [
        np.histogram(np.clip(channel, *ends), COLOR_BINS, ends)[0]
        for channel, ends in zip(channels, _COLOR_RANGES, strict=True)
    ]
    return np.asarray(counts) / channels[0].size


def color_distance(
    first: Float[np.ndarray, "3 bins"], second: Float[np.ndarray, "3 bins"]
) -> float:
    """Returns the mean over L, a and b of half the L1 distance, in [0, 1].

    Args:
        first: Histograms of an image, from `channel_histograms`.
        second: Histograms of another image.
    """
    return float(0.5 * np.abs(first - second).sum(axis=-1).mean())


def hellinger(
    first: Float[np.ndarray, "..."], second: Float[np.ndarray, "..."]
) -> float:
    """Returns the Hellinger distance between two distributions, in [0, 1]."""
    squares = np.square(np.sqrt(first) - np.sqrt(second))
    return float(min(np.sqrt(0.5 * squares.sum()), 1.0))


def lab_histogram_distance(
    pictures: Array | np.ndarray, styles: Array | np.ndarray
) -> Float[np.ndarray, " b"]:
    """Returns the Hellinger distance between the Lab histograms of every pair.

    Args:
        pictures: RGB in [0, 1], (h, w, 3) or (b, h, w, 3).
        styles: One style per image, of any size.

    Returns:
        Distance in [0, 1]: 0 for the same colors in the same shares, 1 for no common
        color.

    Raises:
        ValueError: If the numbers of images and styles differ.
    """
    a, b = check_pictures("pictures", pictures), check_pictures("styles", styles)
    if len(a) != len(b):
        raise ValueError(
            f"there must be one style per image, got {len(b)} for {len(a)}"
        )
    pairs = zip(np.asarray(a), np.asarray(b), strict=True)
    values = [hellinger(lab_histogram(x), lab_histogram(y)) for x, y in pairs]
    return np.asarray(values, np.float32)


def _lab(picture: Float[np.ndarray, "h w 3"]) -> Float[np.ndarray, "h w 3"]:
    clipped = np.clip(np.asarray(picture, np.float64), 0.0, 1.0)
    return np.asarray(rgb2lab(clipped))
