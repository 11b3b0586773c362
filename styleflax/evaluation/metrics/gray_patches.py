"""Detects the patch of another color that a network makes of a large flat area.

A network with a limited view sees the surroundings of a flat area up to some distance;
beyond it all that it sees is flat. Where it was trained on crops in which nothing is
flat for long, the inside of a sky becomes one patch, with a halo along the horizon:
the result's color jumps where the distance from the area's border passes a constant.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Array, Float
from scipy.ndimage import distance_transform_edt  # type: ignore[import-untyped]
from skimage.color import rgb2lab
from skimage.filters import gaussian
from skimage.measure import label

from styleflax.evaluation.metrics.pictures import check_pair, check_pictures

# A position is flat where the smoothed content changes by less than this, in units of
# CIELAB per px: a sky that goes from blue to white over 100 px is flat, a cloud is not.
_MAX_SLOPE = 0.6
_SMOOTHING_PX = 2.0
_MIN_SHARE = 0.05
_MIN_DEPTH_PX = 40
# Rings of this width are compared. Strokes are not much wider, and a content, by the
# slope above, changes by 7.2 at most from one ring to the next.
_RING_PX = 12
# Nearer to the border an outline of the motif may lie.
_MARGIN_PX = 12
# Of two rings: with fewer positions their means are a matter of chance.
_MIN_RING_AREA_PX = 128

GRAY_PATCH_LIMIT = 8.0
"""Distance in CIELAB between neighboring rings from which on a jump is reported."""

Distances = Float[np.ndarray, "h w"]
"""Distance of every position of one flat area from its border in px; 0 outside."""


class GrayPatch(NamedTuple):
    """What the result's color does inside the content's flat areas.

    Attributes:
        jump: Largest distance in CIELAB between the mean colors of two neighboring
            rings of equal distance from an area's border; NaN where the content has
            no flat area.
        found: Whether that is more than `GRAY_PATCH_LIMIT`.
    """

    jump: float
    found: bool


def find_flat_areas(content: Array | np.ndarray) -> list[Distances]:
    """Returns the large flat areas of a picture, each by its distances.

    An area is connected, flat (see above), has at least 5 % of the picture, and is
    somewhere 40 px or more away from what is not flat. The picture's own sides are
    no border of it, as networks see the picture mirrored there.

    Args:
        content: RGB in [0, 1], (h, w, 3).

    Raises:
        ValueError: If it is not a single picture.
    """
    (picture,) = _single("content", content)
    lab = rgb2lab(np.clip(np.asarray(picture, np.float64), 0.0, 1.0))
    smooth = gaussian(lab, _SMOOTHING_PX, mode="reflect", channel_axis=-1)
    slopes = np.square(np.gradient(smooth, axis=(0, 1))).sum(axis=(0, -1))
    parts = label(slopes < _MAX_SLOPE**2, connectivity=1)
    areas = []
    for number, count in enumerate(np.bincount(parts.ravel())[1:], start=1):
        if _MIN_SHARE * parts.size <= count < parts.size:
            distances = distance_transform_edt(parts == number)
            if distances.max() >= _MIN_DEPTH_PX:
                areas.append(distances)
    return areas


def measure_jump(
    picture: Float[np.ndarray, "h w 3"], areas: Sequence[Distances]
) -> GrayPatch:
    """Returns the largest jump of a picture's color inside any of the areas.

    Args:
        picture: RGB in [0, 1].
        areas: As `find_flat_areas` returned them for a content of the same size.
    """
    if not areas:
        return GrayPatch(math.nan, found=False)
    lab = rgb2lab(np.clip(np.asarray(picture, np.float64), 0.0, 1.0))
    jump = max(_largest_step(lab, distances) for distances in areas)
    return GrayPatch(jump, jump > GRAY_PATCH_LIMIT)


def detect_gray_patch(
    stylized: Array | np.ndarray, content: Array | np.ndarray
) -> GrayPatch:
    """Returns whether a picture's color jumps inside a flat area of its content.

    Args:
        stylized: RGB in [0, 1], (h, w, 3).
        content: RGB in [0, 1], as large.

    Raises:
        ValueError: If these are not single pictures, or sizes differ.
    """
    check_pair("stylized", stylized, "content", content)
    (picture,) = _single("stylized", stylized)
    return measure_jump(np.asarray(picture), find_flat_areas(content))


def _largest_step(lab: Float[np.ndarray, "h w 3"], distances: Distances) -> float:
    """Returns the largest difference of two neighboring rings' mean colors."""
    depth = distances.astype(np.int64).ravel()
    sums = [np.bincount(depth, weights=lab[..., i].ravel()) for i in range(3)]
    columns = np.stack([np.bincount(depth), *sums], axis=1)
    totals = np.concatenate([np.zeros((1, 4)), np.cumsum(columns, axis=0)])
    rings = totals[_RING_PX:] - totals[:-_RING_PX]  # by their inner distance
    counts, means = rings[:, :1], rings[:, 1:] / np.maximum(rings[:, :1], 1.0)
    first, second = slice(_MARGIN_PX, -_RING_PX), slice(_MARGIN_PX + _RING_PX, None)
    steps = np.linalg.norm(means[second] - means[first], axis=1)
    enough = np.minimum(counts[first], counts[second])[:, 0] >= _MIN_RING_AREA_PX
    return float(np.where(enough, steps, 0.0).max(initial=0.0))


def _single(
    name: str, picture: Array | np.ndarray
) -> Float[Array | np.ndarray, "1 h w 3"]:
    batch = check_pictures(name, picture)
    if len(batch) != 1:
        raise ValueError(f"{name} must be one picture, got a batch of {len(batch)}")
    return batch
