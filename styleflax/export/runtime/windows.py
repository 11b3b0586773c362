"""Windows of large images and masks on grids, in NumPy.

An exported model accepts windows of any height and width, so the last ones end exactly
with the image. The result of a window is exact except for a margin along those of its
edges that are not edges of the image.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float


class Span(NamedTuple):
    """A window along one side of the image, in px.

    The cores of all windows cover the side without overlap.

    Attributes:
        start: First px of the window.
        stop: End of the window, exclusive.
        begin: First px of its core, the part of its result that is used.
        end: End of its core, exclusive.
    """

    start: int
    stop: int
    begin: int
    end: int

    def core(self, stride: int = 1) -> slice:
        """Returns the core's positions in the window, at a layer of this stride."""
        first, last = self.begin // stride, -(-self.end // stride)
        return slice(first - self.start // stride, last - self.start // stride)

    def positions(self, stride: int) -> slice:
        """Returns the window's positions in the image, at a layer of this stride."""
        return slice(self.start // stride, -(-self.stop // stride))

    def place(self, stride: int = 1) -> slice:
        """Returns the core's positions in the image, at a layer of this stride."""
        return slice(self.begin // stride, -(-self.end // stride))


def cut_spans(size: int, side: int, halo: int) -> list[Span]:
    """Returns the windows along one side of an image.

    Args:
        size: Length of the image's side in px.
        side: Largest side of a window: a multiple of the model's stride, above twice
            the halo.
        halo: Halo of the model in px.
    """
    if size <= side:
        return [Span(0, size, 0, size)]
    step = side - 2 * halo
    starts = range(0, size - 2 * halo, step)
    begins = [0, *(start + halo for start in starts[1:]), size]
    return [
        Span(start, min(start + side, size), begins[i], begins[i + 1])
        for i, start in enumerate(starts)
    ]


def average_cells(
    masks: Float[np.ndarray, "r h w"], height: int, width: int
) -> Float[np.ndarray, "r height width"]:
    """Returns masks averaged over the cells of a grid, by exact areas."""
    rows = _overlap(masks.shape[1], height)
    columns = _overlap(masks.shape[2], width)
    return np.asarray(rows @ masks @ columns.T, np.float32)


def _overlap(size: int, cells: int) -> Float[np.ndarray, "cells size"]:
    edges, positions = np.arange(cells + 1) * size, np.arange(size + 1) * cells
    upper = np.minimum(edges[1:, None], positions[None, 1:])
    lower = np.maximum(edges[:-1, None], positions[None, :-1])
    return (np.maximum(upper - lower, 0) / size).astype(np.float32)


def grid_side(size: int, stride: int, repeat: int = 1) -> int:
    """Returns the number of cells along a side; see `masks` in the manifest."""
    return repeat * -(-size // stride)


def normalize_masks(
    masks: Sequence[np.ndarray] | Float[np.ndarray, "r h w"],
) -> tuple[Float[np.ndarray, "_ h w"], bool]:
    """Returns masks that sum to 1, and whether a mask of the uncovered part was added.

    Args:
        masks: Masks of the photo's size. They are scaled wherever they sum to more
            than 1.
    """
    regions = np.stack([np.asarray(mask, np.float32) for mask in masks])
    rest = np.clip(1.0 - regions.sum(axis=0), 0.0, 1.0)
    has_rest = bool(rest.max() > _NEGLIGIBLE)
    if has_rest:
        regions = np.concatenate([regions, rest[None]])
    return regions / regions.sum(axis=0), has_rest


_NEGLIGIBLE = 0.02
"""Coverage below this is rounding of 8-bit masks that should sum to 1."""
