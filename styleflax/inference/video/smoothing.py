"""Statistics of a video's frames, smoothed over time and reset at cuts."""

import math
from typing import Generic, TypeVar

import jax
import numpy as np
from jaxtyping import Float, UInt8
from PIL import Image as PillowImage

from styleflax.ops.statistics import Moments

Statistics = dict[str, Moments]
Tree = TypeVar("Tree")
"""Tree of arrays: the statistics of a frame."""
CUT_DISTANCE = 0.4
"""Histograms further apart than this, of at most 1, are of two scenes."""
_BINS = 8  # for each of red, green and blue
_SEEN_PX = 64


class Smoother(Generic[Tree]):
    """`smoother(now, kept)`: statistics of frames, averaged over those before.

    The average is exponential: of all that came before it keeps the share `kept`,
    which is 0 for the first frame of a scene. Mean and sum of squares are averaged
    each by itself, so that what changes between frames adds nothing to the deviation.
    """

    def __init__(self) -> None:
        self._past: Tree | None = None

    def __call__(self, now: Tree, kept: float) -> Tree:
        """The smoothed statistics; exactly those of before where nothing changes."""
        if self._past is None or not kept:
            self._past = now
        else:
            self._past = _average(self._past, now, kept)
        return self._past


@jax.jit
def _average(past: Tree, now: Tree, kept: float) -> Tree:
    # In this form equal numbers stay as they are, to the bit.
    return jax.tree.map(lambda old, new: new + kept * (old - new), past, now)


def kept_share(elapsed_s: float, smooth_s: float) -> float:
    """How much of an exponential average is left after a time.

    Args:
        elapsed_s: Since the frame before.
        smooth_s: Time constant; 0 keeps nothing.
    """
    return math.exp(-max(elapsed_s, 0.0) / smooth_s) if smooth_s else 0.0


class CutFinder:
    """`finder(frame_u8)`: whether a frame begins a new scene, as the first one does.

    It does where its colors are distributed otherwise than those of the frame before,
    by more than `CUT_DISTANCE`. Motion hardly changes them. A cut between scenes of the
    same colors is missed, where smoothed statistics have little to forget.

    Attributes:
        num_scenes: Found so far.
    """

    def __init__(self) -> None:
        self._past: np.ndarray | None = None
        self.num_scenes = 0

    def __call__(self, frame_u8: UInt8[np.ndarray, "h w 3"]) -> bool:
        """Takes the next frame."""
        now, past = color_histogram(frame_u8), self._past
        self._past = now
        new = past is None or float(np.abs(now - past).sum()) / 2 > CUT_DISTANCE
        self.num_scenes += new
        return new


def color_histogram(frame_u8: UInt8[np.ndarray, "h w 3"]) -> Float[np.ndarray, " n"]:
    """How a frame's colors are distributed, over 8 x 8 x 8 bins; sums to 1.

    Every pixel of a small copy counts in the bins around it by how near it is, so
    that no change is large because a color lay at the edge of a bin.
    """
    side = (_SEEN_PX, _SEEN_PX)
    small = PillowImage.fromarray(frame_u8).resize(side, PillowImage.Resampling.BOX)
    place = np.asarray(small).reshape(-1, 3) * ((_BINS - 1) / 255)
    below = np.minimum(place.astype(int), _BINS - 2)
    above_share = place - below
    total = np.zeros(_BINS**3)
    for corner in np.ndindex(2, 2, 2):
        red, green, blue = (below + corner).T
        shares = np.where(corner, above_share, 1 - above_share).prod(axis=1)
        bins = (red * _BINS + green) * _BINS + blue
        total += np.bincount(bins, shares, _BINS**3)
    return total / total.sum()
