"""Masks on the grids of a method's layers, whole and through windows, on the host."""

from collections.abc import Mapping

import numpy as np
from jaxtyping import Float

from styleflax.inference.tiles.windows import Window

Cells = dict[str, Float[np.ndarray, "r _ _"]]


def average_cells(
    masks: Float[np.ndarray, "r h w"], height: int, width: int
) -> Float[np.ndarray, "r height width"]:
    """What `ops.spatial.area_average` gives, in little memory and compiling nothing.

    Args:
        masks: Masks of any size; they may be mapped from a file.
        height: Cells along the first side.
        width: Along the second.
    """
    rows = _average_rows(masks, height)
    return _average_rows(rows.swapaxes(1, 2), width).swapaxes(1, 2)


def _average_rows(
    masks: Float[np.ndarray, "r h w"], cells: int
) -> Float[np.ndarray, "r cells w"]:
    size = masks.shape[1]
    averaged = np.empty((masks.shape[0], cells, masks.shape[2]), np.float32)
    for i in range(cells):
        # Edges in whole units of 1 / cells of a position, as in `area_average`.
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
    """The masks on every layer's grid over the whole picture.

    Args:
        masks: Masks of any size.
        picture: Height and width, in px.
        strides: Strides of every layer's positions, in px.
    """
    height, width = picture
    return {
        layer: average_cells(masks, -(-height // stride), -(-width // stride))
        for layer, stride in strides.items()
    }


def window_cells(cells: Cells, window: Window, strides: Mapping[str, int]) -> Cells:
    """The part of `cells` that lies in the window; 0 beyond the picture."""
    parts = {}
    for layer, stride in strides.items():
        side, whole = window.side // stride, cells[layer]
        top, left = window.rows.start // stride, window.columns.start // stride
        part = whole[:, top : top + side, left : left + side]
        parts[layer] = np.zeros((len(whole), side, side), np.float32)
        parts[layer][:, : part.shape[1], : part.shape[2]] = part
    return parts


def core_cells(cells: Cells, window: Window, strides: Mapping[str, int]) -> Cells:
    """The same, and 0 outside the core of the window: every cell is in one core."""
    parts = window_cells(cells, window, strides)
    for layer, stride in strides.items():
        for axis, span in ((1, window.rows), (2, window.columns)):
            index = span.start // stride + np.arange(window.side // stride)
            inside = (index >= span.begin // stride) & (index < -(-span.end // stride))
            parts[layer] *= np.expand_dims(inside, [a for a in range(3) if a != axis])
    return parts
