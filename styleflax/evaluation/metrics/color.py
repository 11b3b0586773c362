"""Distances between the colors of a picture and those of the style."""

import numpy as np
from jaxtyping import Array, Float
from skimage.color import rgb2lab
from skimage.filters import gaussian

from styleflax.evaluation.metrics.pictures import check_pictures

BIN_WIDTH = 5.0
"""Side of the cubes of the histogram, in units of CIELAB."""

# sRGB's colors reach from -86 to 98 on a and from -108 to 94 on b.
_RANGES = ((0.0, 100.0), (-110.0, 110.0), (-110.0, 110.0))
_BINS = tuple(round((high - low) / BIN_WIDTH) for low, high in _RANGES)

COLOR_BINS = 32
"""Number of bins of each channel's own histogram."""
_COLOR_RANGES = ((0.0, 100.0), (-80.0, 80.0), (-80.0, 80.0))


def lab_histogram(picture: Float[np.ndarray, "h w 3"]) -> Float[np.ndarray, "l a b"]:
    """Returns the joint distribution of L, a and b (D65), smoothed by one bin.

    With smoothing, nearby colors on both sides of a border between bins count as
    similar.

    Args:
        picture: RGB in [0, 1]; values outside are clipped.

    Returns:
        Non-negative shares with the sum 1.
    """
    lab = _lab(picture)
    counts, _ = np.histogramdd(lab.reshape(-1, 3), bins=_BINS, range=_RANGES)
    return gaussian(counts / counts.sum(), 1.0, mode="reflect")


def channel_histograms(
    picture: Float[np.ndarray, "h w 3"],
) -> Float[np.ndarray, "3 bins"]:
    """Returns the distributions of L, of a and of b (D65), each on its own.

    L is counted in `COLOR_BINS` bins from 0 to 100, a and b in as many from -80
    to 80; values beyond an end count in the bin at that end.

    Args:
        picture: RGB in [0, 1]; values outside are clipped.

    Returns:
        Non-negative shares; each row has the sum 1.
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
        first: The histograms of one picture, by `channel_histograms`.
        second: The histograms of another.
    """
    return float(0.5 * np.abs(first - second).sum(axis=-1).mean())


def hellinger(
    first: Float[np.ndarray, "..."], second: Float[np.ndarray, "..."]
) -> float:
    """Returns the Hellinger distance of two distributions, in [0, 1]."""
    squares = np.square(np.sqrt(first) - np.sqrt(second))
    return float(min(np.sqrt(0.5 * squares.sum()), 1.0))


def lab_histogram_distance(
    pictures: Array | np.ndarray, styles: Array | np.ndarray
) -> Float[np.ndarray, " b"]:
    """Returns the Hellinger distance of the pictures' Lab histograms, by pairs.

    Args:
        pictures: RGB in [0, 1], (h, w, 3) or (b, h, w, 3).
        styles: The same number of pictures, of any size; positions do not matter.

    Returns:
        0 for the same colors in the same shares, 1 for nothing in common.

    Raises:
        ValueError: If there are not as many of both.
    """
    a, b = check_pictures("pictures", pictures), check_pictures("styles", styles)
    if len(a) != len(b):
        raise ValueError(f"there are {len(a)} pictures and {len(b)} styles")
    pairs = zip(np.asarray(a), np.asarray(b), strict=True)
    values = [hellinger(lab_histogram(x), lab_histogram(y)) for x, y in pairs]
    return np.asarray(values, np.float32)


def _lab(picture: Float[np.ndarray, "h w 3"]) -> Float[np.ndarray, "h w 3"]:
    clipped = np.clip(np.asarray(picture, np.float64), 0.0, 1.0)
    return np.asarray(rgb2lab(clipped))
