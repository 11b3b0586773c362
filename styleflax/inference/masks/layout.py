"""Masks at the pixels of an image, on the grids of layers, and in windows."""

import functools
import math
from collections.abc import Mapping

import numpy as np
from jaxtyping import Float
from PIL import Image as PillowImage

from styleflax.images.files import BAND_PX, to_float
from styleflax.inference.masks.read import ALPHA, REST, MaskSet
from styleflax.inference.tiles.windows import Window

WHOLE = np.ones((1, 1, 1), np.float32)
"""Mask of one region that covers an image of any size."""
_NEGLIGIBLE = 0.02
"""Coverage below this is rounding of 8-bit masks that should sum to 1."""
_MIN_AREA_PX = 1.0
_DEVIATIONS = 4.0
"""Number of standard deviations at which a Gaussian is truncated."""


class RegionMasks:
    """Masks at the pixels of an image: stretched, feathered, and scaled to sum to 1.

    Rows are computed on access and indexed like an array: `masks[:, first:last]` has
    the shape (r, last - first, w).

    Attributes:
        shape: Shape of all masks, (r, h, w).
        has_rest: Whether the last region is the part that no mask covers.

    Args:
        mask_set: The masks.
        height: Height of the image in px.
        width: Width of the image in px.
        alpha: Opacity of the content, of any size; None is opaque.
        scale: Pixels of this image per pixel of the feather.
        cached_bands: Number of cached bands of rows; None for all, as for a video.

    Raises:
        ValueError: If a region is empty; the error names it.
    """

    def __init__(
        self,
        mask_set: MaskSet,
        height: int,
        width: int,
        alpha: np.ndarray | None = None,
        scale: float = 1.0,
        cached_bands: int | None = 2,
    ) -> None:
        self._mask_set, self._size = mask_set, (height, width)
        opaque = np.ones((1, 1), np.float32)
        of_kind = {ALPHA: opaque if alpha is None else alpha, REST: None}
        kinds_and_sources = zip(mask_set.kinds, mask_set.sources, strict=True)
        self._sources = [
            of_kind.get(kind, source) for kind, source in kinds_and_sources
        ]
        # Two deviations on either side contain 95 % of the change from 0 to 1.
        self._sigma = mask_set.feather_px * scale / 2
        # At least two, as neighboring windows may need the end of one and the next.
        self._band = functools.lru_cache(maxsize=cached_bands)(self._make_band)
        self._rows = max(1, BAND_PX // width)
        self.has_rest = False
        rest, areas = 0.0, np.zeros(len(mask_set.names))
        for first in range(0, height, self._rows):
            laid, uncovered = self._rows_and_rest(
                first, min(first + self._rows, height)
            )
            rest = max(rest, float(uncovered.max()))
            areas += (laid / np.maximum(laid.sum(axis=0), 1.0)).sum(axis=(1, 2))
        self.has_rest = REST not in mask_set.kinds and rest > _NEGLIGIBLE
        self.shape = (len(areas) + self.has_rest, height, width)
        for name, area in zip(mask_set.names, areas, strict=True):
            if area < _MIN_AREA_PX:
                raise ValueError(f"{name} is empty: other masks leave no pixel for it")

    def __getitem__(self, index: tuple[slice, slice]) -> Float[np.ndarray, "r n w"]:
        regions, rows = index
        first, last, _ = rows.indices(self._size[0])
        parts = [self._band(k) for k in range(first // self._rows, self._end(last))]
        bands = parts[0] if len(parts) == 1 else np.concatenate(parts, axis=1)
        start = first // self._rows * self._rows
        return bands[regions, first - start : last - start]

    def _end(self, last: int) -> int:
        return -(-last // self._rows)

    def _make_band(self, number: int) -> Float[np.ndarray, "r n w"]:
        first = number * self._rows
        laid, rest = self._rows_and_rest(first, min(first + self._rows, self._size[0]))
        masks = np.concatenate([laid, rest[None]]) if self.has_rest else laid
        # The sum is at least 1 up to a negligible difference.
        return (masks / masks.sum(axis=0)).astype(np.float32)

    def _rows_and_rest(self, first: int, last: int) -> tuple[np.ndarray, np.ndarray]:
        """Returns the masks in these rows, and the part that no mask covers."""
        values = [
            None if source is None else self._spread(source, first, last)
            for source in self._sources
        ]
        total = np.sum([x for x in values if x is not None], axis=0)
        rest = np.clip(1.0 - total, 0.0, 1.0)
        return np.stack([rest if x is None else x for x in values]), rest

    def _spread(self, source: np.ndarray, first: int, last: int) -> np.ndarray:
        """Returns a mask in these rows, feathered with the rows around them."""
        margin = math.ceil(_DEVIATIONS * self._sigma)
        above = min(margin, first)
        begin, end = first - above, min(last + margin, self._size[0])
        rows = _stretch(source, self._size, begin, end)
        return _feather(rows, self._sigma)[above : above + last - first]


def make_region_masks(
    mask_set: MaskSet | None,
    height: int,
    width: int,
    alpha: np.ndarray | None = None,
    *,
    scale: float = 1.0,
    cached_bands: int | None = 2,
) -> RegionMasks | None:
    """Returns masks at the pixels of an image; None for no masks. See `RegionMasks`."""
    if mask_set is None:
        return None
    return RegionMasks(mask_set, height, width, alpha, scale, cached_bands)


def spread(
    values: np.ndarray, size: tuple[int, int], name: str
) -> Float[np.ndarray, "h w"]:
    """Returns a mask at the pixels of an image, averaged over the area of each.

    Args:
        values: Values of the mask, of any size.
        size: Height and width of the image in px.
        name: Name of the mask in errors.

    Raises:
        ValueError: If the mask is empty.
    """
    laid = _stretch(values, size, 0, size[0])
    if laid.sum() < _MIN_AREA_PX:
        raise ValueError(f"{name} is empty: other masks leave no pixel for it")
    return laid


def _stretch(
    values: np.ndarray, size: tuple[int, int], first: int, last: int
) -> Float[np.ndarray, "n w"]:
    """Returns exact means over the area of every pixel, which preserve a sum of 1."""
    height, width = size
    if values.shape == size:
        return _floats(values[first:last])
    ratio = values.shape[0] / height
    top, bottom = first * ratio, min(last * ratio, values.shape[0])
    # With a margin, because by rounding a pixel may start or end just outside.
    start, stop = max(0, math.floor(top) - 1), math.ceil(bottom) + 1
    part = PillowImage.fromarray(np.ascontiguousarray(_floats(values[start:stop])))
    box = (0, top - start, values.shape[1], bottom - start)
    shape = width, last - first
    return np.asarray(part.resize(shape, PillowImage.Resampling.BOX, box))


def _floats(values: np.ndarray) -> Float[np.ndarray, "n w"]:
    return to_float(values) if values.dtype == np.uint8 else values.astype(np.float32)


def _feather(mask: np.ndarray, sigma: float) -> np.ndarray:
    if not sigma:
        return mask
    # Imported late, because the import is slow.
    from skimage.filters import gaussian  # noqa: PLC0415

    faded = gaussian(mask, sigma, mode="nearest", truncate=_DEVIATIONS)
    return np.clip(faded, 0.0, 1.0)


Cells = dict[str, Float[np.ndarray, "r _ _"]]


def average_cells(
    masks: Float[np.ndarray, "r h w"], height: int, width: int
) -> Float[np.ndarray, "r height width"]:
    """Returns the result of `ops.spatial.area_average`, computed by NumPy in bands.

    Args:
        masks: Masks of any size; they may be mapped from a file.
        height: Number of cells along the first side.
        width: Number of cells along the second side.
    """
    rows = _average_rows(masks, height)
    return _average_rows(rows.swapaxes(1, 2), width).swapaxes(1, 2)


def _average_rows(
    masks: Float[np.ndarray, "r h w"], cells: int
) -> Float[np.ndarray, "r cells w"]:
    size = masks.shape[1]
    averaged = np.empty((masks.shape[0], cells, masks.shape[2]), np.float32)
    for i in range(cells):
        # Edges as integers, in units of 1 / cells of a position, as in `area_average`.
        first, last = i * size // cells, -(-(i + 1) * size // cells)
        edges = np.arange(first, last + 1) * cells
        shares = np.diff(np.clip(edges, i * size, (i + 1) * size)) / size
        averaged[:, i] = np.einsum("k,rkw->rw", shares, masks[:, first:last])
    return averaged


def layer_cells(
    masks: Float[np.ndarray, "r h w"],
    picture: tuple[int, int],
    strides: Mapping[str, int],
) -> Cells:
    """Returns the masks of a whole image on the grid of every layer.

    Args:
        masks: Masks of any size.
        picture: Height and width of the image in px.
        strides: Stride of every layer's positions in px.
    """
    height, width = picture
    return {
        layer: average_cells(masks, -(-height // stride), -(-width // stride))
        for layer, stride in strides.items()
    }


def window_cells(cells: Cells, window: Window, strides: Mapping[str, int]) -> Cells:
    """Returns the part of `cells` in a window; 0 outside of the image."""
    parts = {}
    for layer, stride in strides.items():
        side, whole = window.side // stride, cells[layer]
        top, left = window.rows.start // stride, window.columns.start // stride
        part = whole[:, top : top + side, left : left + side]
        parts[layer] = np.zeros((len(whole), side, side), np.float32)
        parts[layer][:, : part.shape[1], : part.shape[2]] = part
    return parts


def core_cells(cells: Cells, window: Window, strides: Mapping[str, int]) -> Cells:
    """Returns the part of `cells` in the core of a window; 0 outside of the core.

    Every cell of the image is in the core of exactly one window.
    """
    parts = window_cells(cells, window, strides)
    for layer, stride in strides.items():
        for axis, span in ((1, window.rows), (2, window.columns)):
            index = span.start // stride + np.arange(window.side // stride)
            inside = (index >= span.begin // stride) & (index < -(-span.end // stride))
            parts[layer] *= np.expand_dims(inside, [a for a in range(3) if a != axis])
    return parts


class PixelMasks:
    """Masks of regions at the pixels of any rows of an image.

    Args:
        masks: Masks of any height and width, or `RegionMasks` of the image's size.
        picture: Height and width of the image in px.
    """

    def __init__(
        self, masks: Float[np.ndarray, "r _ _"] | RegionMasks, picture: tuple[int, int]
    ) -> None:
        self._picture, self.num_regions = picture, masks.shape[0]
        if isinstance(masks, np.ndarray) and masks.shape[1:] != picture:
            masks = average_cells(masks, *picture) if self.num_regions > 1 else masks
        self._masks = masks

    def rows(self, first: int, last: int) -> Float[np.ndarray, "r n w"] | None:
        """Returns the regions in rows from `first` to `last`; None for one region."""
        return None if self.num_regions == 1 else self._masks[:, first:last]

    def mixed(
        self, values: Float[np.ndarray, " r"], window: Window
    ) -> Float[np.ndarray, "side side 1"] | Float[np.ndarray, "1 1 1"]:
        """Returns values of regions, mixed at the pixels of a window; 0 outside."""
        top, left, side = window.rows.start, window.columns.start, window.side
        masks = self.rows(top, min(top + side, self._picture[0]))
        if masks is None:
            return values.reshape(1, 1, 1)
        part = np.tensordot(values, masks[:, :, left : left + side], 1)
        mixed = np.zeros((side, side, 1), np.float32)
        mixed[: part.shape[0], : part.shape[1], 0] = part
        return mixed
