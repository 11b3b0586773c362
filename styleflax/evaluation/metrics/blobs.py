"""Detectors of bright spots and of patches of another color in flat areas.

A network with a limited view sees the surroundings of a flat area up to some distance;
beyond it all that it sees is flat. Where it was trained on crops in which nothing is
flat for long, the inside of a sky becomes one patch, with a halo along the horizon:
the result's color jumps where the distance from the area's border passes a constant.
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

# A channel from here on is at the end of its range, JPEG's rounding included.
_SATURATED = 0.98
# A blob's area as a share of the picture: 13 to 5,243 of 512x512 px.
_MIN_SHARE, _MAX_SHARE = 5e-5, 2e-2
_MIN_AREA_PX = 4
# Distance in CIELAB within which colors count as the same, and the least by which a
# blob stands out of the ring around it.
_SAME = 20.0
_CONTRAST = 20.0

BLOB_LIMIT = 5e-4
"""Share of the picture's area that blobs must cover to be reported: 131 px of
512x512."""


class Blobs(NamedTuple):
    """The blobs of a picture.

    Attributes:
        num_blobs: Number of blobs.
        share: Share of the picture's area, in [0, 1].
        found: Whether the share is more than `BLOB_LIMIT`.
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

    A region is connected, with some channel at 1, of 0.005 to 2 % of the area, and
    stands out of the ring around it. The content explains it if the content stands out
    there too, or has that color there; the style explains it if its saturated pixels of
    that color cover at least the share of the area that the picture's blobs of that
    color cover.

    Args:
        stylized: RGB in [0, 1], (h, w, 3).
        content: RGB in [0, 1], (h, w, 3), of the same size.
        style: RGB in [0, 1], (h, w, 3), of any size.
        limit: Share of the area from which on blobs are reported.

    Raises:
        ValueError: If these are no single pictures, or sizes differ.
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
    """Returns the distance between the colors inside and around."""
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


# A position is flat where the smoothed content changes by less than this, in units of
# CIELAB per px: a sky that goes from blue to white over 100 px is flat, a cloud is not.
_MAX_SLOPE = 0.6
_SMOOTHING_PX = 2.0
_MIN_FLAT_SHARE = 0.05
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
        if _MIN_FLAT_SHARE * parts.size <= count < parts.size:
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
        raise ValueError(f"{name} must be one image, got a batch of {len(batch)}")
    return batch
