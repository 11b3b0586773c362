"""Detects bright spots that a decoder makes where an input has none."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Array, Bool, Float
from skimage.color import rgb2lab
from skimage.measure import label, regionprops
from skimage.morphology import dilation

from styleflax.evaluation.metrics.pictures import check_pair, check_pictures

# A channel from here on is at the end of its range, JPEG's rounding included.
_SATURATED = 0.98
# A blob's area as a share of the picture: 13 to 5,243 of 512x512 px.
_MIN_SHARE, _MAX_SHARE = 5e-5, 2e-2
_MIN_AREA_PX = 4
# Distance in CIELAB within which colours count as the same, and the least by which a
# blob stands out of the ring around it.
_SAME = 20.0
_CONTRAST = 20.0

BLOB_LIMIT = 5e-4
"""Share of the picture's area that blobs must cover to be reported: 131 px of
512x512."""


class Blobs(NamedTuple):
    """The blobs of a picture.

    Attributes:
        num_blobs: How many there are.
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
    """Returns the small saturated regions that neither input accounts for.

    A region is connected, with some channel at 1, of 0.005 to 2 % of the area, and
    stands out of the ring around it. The content accounts for it if it stands out
    there too, or has that colour there; the style if it has saturated pixels of
    that colour, on as large a share of its area as the picture's blobs of it.

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
        raise ValueError("stylized, content and style must be one picture each")
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
    """Returns the distance between the colours inside and around."""
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
    """Returns the regions with more area than the style has of their colour."""
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
