"""Where windows of one size lie in a picture of any size."""

import math
from typing import NamedTuple

from styleflax.methods.base import Tiling

TILE_PX = 1024
"""Side of windows where none is given."""


class Span(NamedTuple):
    """A window along one side of the picture, in px.

    Attributes:
        start: Where it begins.
        begin: Where the part begins for which it is asked: its core.
        end: Where that ends. The cores of all windows are the side, each px once.
    """

    start: int
    begin: int
    end: int


class Window(NamedTuple):
    """A square window.

    Attributes:
        side: In px.
        rows: First row of the image in it.
        columns: First column of the image in it.
    """

    side: int
    rows: Span
    columns: Span


def count_windows(height: int, width: int, tile_px: int, tiling: Tiling) -> int | None:
    """How many windows of that side a picture takes; None if they cannot serve it."""
    if tile_px % tiling.stride_px:
        return None
    if max(height, width) <= tile_px:
        return 1
    if tile_px < smallest_tile(tiling):
        return None
    step = tile_px - 2 * tiling.halo_px
    return math.prod(_count(size, tile_px, step) for size in (height, width))


def check_tile(tile_px: int, tiling: Tiling) -> None:
    """Refuses a tile of which nothing or no whole number of positions would be left.

    Raises:
        ValueError: Naming the value and what is allowed.
    """
    stride, least = tiling.stride_px, smallest_tile(tiling)
    if tile_px % stride or tile_px < least:
        raise ValueError(
            f"tile_px must be a multiple of {stride} and at least {least} for this "
            f"model's method, got {tile_px}; 0 (--tile 0) disables tiles"
        )


def smallest_tile(tiling: Tiling) -> int:
    """The least side of a window that has neighbors."""
    return 2 * tiling.halo_px + tiling.stride_px


def cut_windows(height: int, width: int, tile_px: int, tiling: Tiling) -> list[Window]:
    """The windows of a picture; one that shows all of it may be of any size.

    Args:
        height: Height of the picture, in px.
        width: Width of the picture, in px.
        tile_px: Side of a window.
        tiling: Tiling of the method.

    Raises:
        ValueError: As `check_tile`.
    """
    if count_windows(height, width, tile_px, tiling) is None:
        check_tile(tile_px, tiling)
    rows, columns = (cut_spans(s, tile_px, tiling.halo_px) for s in (height, width))
    return [Window(tile_px, r, c) for r in rows for c in columns]


def cut_spans(size: int, side: int, halo: int) -> list[Span]:
    """Windows of that side along a picture's side of that size.

    The first begins where the picture does, the last reaches to its end or beyond.
    """
    step = side - 2 * halo
    count = _count(size, side, step)
    starts = [step * k for k in range(count)]
    begins = [0, *(start + halo for start in starts[1:])]
    return [
        Span(*span) for span in zip(starts, begins, [*begins[1:], size], strict=True)
    ]


def _count(size: int, side: int, step: int) -> int:
    """How many windows lie along a side of that size; margins are what no step is."""
    return 1 if size <= side else -(-(size - (side - step)) // step)
