"""Detectors of bright spots and of patches of another color in flat areas.

A network with a limited receptive field sees the border of a flat area only from some
distance on. If it was trained on crops without large flat areas, the inside of a sky
becomes one patch with a halo along the horizon: the color changes suddenly at a
constant distance from the border of the area.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Array, Bool, Float
from scipy.ndimage import distance_transform_edt  # type: ignore[import-untyped]
from skimage.color import rgb2lab
from skimage.filters import gaussian
from skimage.measure import label, regionprops
from skimage.morphology import dilation

from styleflax.evaluation.metrics.pictures import check_pair, check_pictures

# A channel above this is saturated, allowing for the rounding of JPEG.
_SATURATED = 0.98
# A blob's area as a share of the picture: 13 to 5,243 of 512x512 px.
_MIN_SHARE, _MAX_SHARE = 5e-5, 2e-2
_MIN_AREA_PX = 4
# Distance in CIELAB within which colors count as the same, and least contrast of a
# blob to the ring around it.
_SAME = 20.0
_CONTRAST = 20.0

BLOB_LIMIT = 5e-4
"""Share of the picture's area that blobs must cover to be reported: 131 px of
512x512."""


class Blobs(NamedTuple):
    """The result of `detect_blobs`.

    Attributes:
        num_blobs: Number of blobs.
        share: Share of the image's area in blobs, in [0, 1].
        found: Whether the share is above `BLOB_LIMIT`.
    """

    num_blobs: int
    share: float
    found: bool


class _Region(NamedTuple):
    box: tuple[slice, slice]  # with a margin for the ring
    inside: Bool[np.ndarray, "h w"]
    ring: Bool[np.ndarray, "h w"]
    area_px: int
    color: Float[np.ndarray, "3"]  # mean in Lab


def detect_blobs(
    stylized: Array | np.ndarray,
    content: Array | np.ndarray,
    style: Array | np.ndarray,
    *,
    limit: float = BLOB_LIMIT,
) -> Blobs:
    """Returns the small saturated regions that neither input explains.

    A region is connected, has a channel at 1, covers 0.005 to 2 % of the area, and has
    contrast to the ring around it. The content explains it if the content has contrast
    there, too, or has that color there. The style explains it if its saturated pixels
    of that color cover at least the same share of the area as the blobs of that color.

    Args:
        stylized: RGB in [0, 1], (h, w, 3).
        content: RGB in [0, 1], (h, w, 3), of the same size.
        style: RGB in [0, 1], (h, w, 3), of any size.
        limit: Share of the area above which blobs are reported.

    Raises:
        ValueError: If an input is not a single image, or the sizes differ.
    """
    pair = check_pair("stylized", stylized, "content", content)
    pictures = [*pair, check_pictures("style", style)]
    if any(len(x) != 1 for x in pictures):
        raise ValueError("stylized, content and style must be one image each")
    rgb, content_rgb, style_rgb = (
        np.clip(np.asarray(x[0], np.float64), 0.0, 1.0) for x in pictures
    )
    lab, content_lab = rgb2lab(rgb), rgb2lab(content_rgb)
    regions = [
        region
        for region in _saturated_regions(rgb, lab)
        if _contrast(lab, region) >= _CONTRAST and not _in_content(content_lab, region)
    ]
    area = rgb.shape[0] * rgb.shape[1]
    left = _not_in_style(regions, style_rgb, area)
    share = sum(region.area_px for region in left) / area
    return Blobs(len(left), share, share > limit)


def _saturated_regions(
    rgb: Float[np.ndarray, "h w 3"], lab: Float[np.ndarray, "h w 3"]
) -> list[_Region]:
    saturated = rgb.max(axis=-1) >= _SATURATED
    height, width = saturated.shape
    least = max(_MIN_AREA_PX, _MIN_SHARE * saturated.size)
    margin = max(2, round(min(height, width) / 100))
    disc = np.hypot(*np.mgrid[-margin : margin + 1, -margin : margin + 1]) <= margin
    regions = []
    for found in regionprops(label(saturated, connectivity=2)):
        if not least <= found.area <= _MAX_SHARE * saturated.size:
            continue
        top, left, bottom, right = found.bbox
        box = (
            slice(max(0, top - margin), min(height, bottom + margin)),
            slice(max(0, left - margin), min(width, right + margin)),
        )
        inside = np.zeros(saturated[box].shape, bool)
        offset_y, offset_x = top - box[0].start, left - box[1].start
        h, w = found.image.shape
        inside[offset_y : offset_y + h, offset_x : offset_x + w] = found.image
        ring = dilation(inside, disc) & ~inside
        color = lab[box][inside].mean(axis=0)
        regions.append(_Region(box, inside, ring, int(found.area), color))
    return regions


def _contrast(lab: Float[np.ndarray, "h w 3"], region: _Region) -> float:
    """Returns the distance between the mean colors inside the region and around it."""
    part = lab[region.box]
    if not region.ring.any():
        return 0.0
    means = (part[mask].mean(axis=0) for mask in (region.inside, region.ring))
    inside, around = means
    return float(np.linalg.norm(inside - around))


def _in_content(content_lab: Float[np.ndarray, "h w 3"], region: _Region) -> bool:
    color = content_lab[region.box][region.inside].mean(axis=0)
    same = float(np.linalg.norm(color - region.color)) < _SAME
    return same or _contrast(content_lab, region) >= _CONTRAST / 2


def _not_in_style(
    regions: list[_Region], style_rgb: Float[np.ndarray, "h w 3"], area: int
) -> list[_Region]:
    """Returns the regions with more area than the style has of their color."""
    saturated = style_rgb.max(axis=-1) >= _SATURATED
    colors = rgb2lab(style_rgb)[saturated]
    left = []
    for region in regions:
        alike = sum(
            other.area_px
            for other in regions
            if np.linalg.norm(other.color - region.color) < _SAME
        )
        near = np.linalg.norm(colors - region.color, axis=-1) < _SAME
        if near.sum() / saturated.size < alike / area:
            left.append(region)
    return left


# A position is flat if the smoothed content changes by less than this, in units of
# CIELAB per px: a sky that fades from blue to white over 100 px is flat, a cloud not.
_MAX_SLOPE = 0.6
_SMOOTHING_PX = 2.0
_MIN_FLAT_SHARE = 0.05
_MIN_DEPTH_PX = 40
# Width of the compared rings. Strokes are not much wider, and by the slope above the
# content changes by at most 7.2 from one ring to the next.
_RING_PX = 12
# Nearer to the border there may be an outline of the object.
_MARGIN_PX = 12
# Least number of positions of a ring; the means of fewer are too noisy.
_MIN_RING_AREA_PX = 128

GRAY_PATCH_LIMIT = 8.0
"""Distance in CIELAB between neighboring rings above which a jump is reported."""

Distances = Float[np.ndarray, "h w"]
"""Distance of every position of one flat area from its border in px; 0 outside."""


class GrayPatch(NamedTuple):
    """The result of `detect_gray_patch`.

    Attributes:
        jump: Largest distance in CIELAB between the mean colors of two neighboring
            rings around the inside of a flat area; NaN if the content has no flat area.
        found: Whether the jump is above `GRAY_PATCH_LIMIT`.
    """

    jump: float
    found: bool


def find_flat_areas(content: Array | np.ndarray) -> list[Distances]:
    """Returns the distances to the border in every large flat area of an image.

    An area is connected and flat, covers at least 5 % of the image, and has a position
    40 px or more from its border. The sides of the image are not borders, because
    networks see a reflection there.

    Args:
        content: RGB in [0, 1], (h, w, 3).

    Raises:
        ValueError: If it is not a single image.
    """
    (picture,) = _single("content", content)
    lab = rgb2lab(np.clip(np.asarray(picture, np.float64), 0.0, 1.0))
    smooth = gaussian(lab, _SMOOTHING_PX, mode="reflect", channel_axis=-1)
    slopes = np.square(np.gradient(smooth, axis=(0, 1))).sum(axis=(0, -1))
    parts = label(slopes < _MAX_SLOPE**2, connectivity=1)
    areas = []
    for number, count in enumerate(np.bincount(parts.ravel())[1:], start=1):
        if _MIN_FLAT_SHARE * parts.size <= count < parts.size:
            distances = distance_transform_edt(parts == number)
            if distances.max() >= _MIN_DEPTH_PX:
                areas.append(distances)
    return areas


def measure_jump(
    picture: Float[np.ndarray, "h w 3"], areas: Sequence[Distances]
) -> GrayPatch:
    """Returns the largest jump of an image's color inside any of the areas.

    Args:
        picture: RGB in [0, 1].
        areas: Areas from `find_flat_areas` of a content of the same size.
    """
    if not areas:
        return GrayPatch(math.nan, found=False)
    lab = rgb2lab(np.clip(np.asarray(picture, np.float64), 0.0, 1.0))
    jump = max(_largest_step(lab, distances) for distances in areas)
    return GrayPatch(jump, jump > GRAY_PATCH_LIMIT)


def detect_gray_patch(
    stylized: Array | np.ndarray, content: Array | np.ndarray
) -> GrayPatch:
    """Returns whether an image's color jumps inside a flat area of its content.

    Args:
        stylized: RGB in [0, 1], (h, w, 3).
        content: RGB in [0, 1], of the same size.

    Raises:
        ValueError: If an input is not a single image, or the sizes differ.
    """
    check_pair("stylized", stylized, "content", content)
    (picture,) = _single("stylized", stylized)
    return measure_jump(np.asarray(picture), find_flat_areas(content))


def _largest_step(lab: Float[np.ndarray, "h w 3"], distances: Distances) -> float:
    """Returns the largest difference between the mean colors of neighboring rings."""
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
        raise ValueError(f"{name} must be one image, got a batch of {len(batch)}")
    return batch
