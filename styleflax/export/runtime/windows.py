"""Windows of large pictures and masks on grids, in NumPy.

Windows of any height and width serve an exported model, so that those at the end of a
picture end with it. What a window shows of its picture is exact but for a margin
where the window ends and the picture does not.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float


class Span(NamedTuple):
    """A window along one side of the picture, in px.

    Attributes:
        start: Where it begins.
        stop: Where it ends.
        begin: Where its core begins, which is what it is computed for.
        end: Where that ends. Cores are the whole side, each px once.
    """

    start: int
    stop: int
    begin: int
    end: int

    def core(self, stride: int = 1) -> slice:
        """The core's positions in the window, at a layer of that stride."""
        first, last = self.begin // stride, -(-self.end // stride)
        return slice(first - self.start // stride, last - self.start // stride)

    def positions(self, stride: int) -> slice:
        """The window's positions in the picture."""
        return slice(self.start // stride, -(-self.stop // stride))

    def place(self, stride: int = 1) -> slice:
        """The core's positions in the picture."""
        return slice(self.begin // stride, -(-self.end // stride))


def cut_spans(size: int, side: int, halo: int) -> list[Span]:
    """Windows of at most that side along a picture's side of that size.

    Args:
        size: Size of the picture's side, in px.
        side: Side of a window: a multiple of the model's stride, above twice the halo.
        halo: The model's.
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
    """Masks averaged over the cells of a grid laid over them: exact means of areas."""
    rows = _overlap(masks.shape[1], height)
    columns = _overlap(masks.shape[2], width)
    return np.asarray(rows @ masks @ columns.T, np.float32)


def _overlap(size: int, cells: int) -> Float[np.ndarray, "cells size"]:
    edges, positions = np.arange(cells + 1) * size, np.arange(size + 1) * cells
    upper = np.minimum(edges[1:, None], positions[None, 1:])
    lower = np.maximum(edges[:-1, None], positions[None, :-1])
    return (np.maximum(upper - lower, 0) / size).astype(np.float32)


def grid_side(size: int, stride: int, repeat: int = 1) -> int:
    """Cells of a grid along a side of a picture; see `masks` in the manifest."""
    return repeat * -(-size // stride)


def lay_masks(
    masks: Sequence[np.ndarray] | Float[np.ndarray, "r h w"],
) -> tuple[Float[np.ndarray, "_ h w"], bool]:
    """Masks that sum to 1, and whether the last one is of what others leave free.

    Args:
        masks: Masks of the picture's size. Where they sum to more than 1, they are
            scaled.
    """
    laid = np.stack([np.asarray(mask, np.float32) for mask in masks])
    rest = np.clip(1.0 - laid.sum(axis=0), 0.0, 1.0)
    has_rest = bool(rest.max() > _NEGLIGIBLE)
    if has_rest:
        laid = np.concatenate([laid, rest[None]])
    return laid / laid.sum(axis=0), has_rest


_NEGLIGIBLE = 0.02
"""Masks of 8 bits that should sum to 1 may miss it by their rounding."""
