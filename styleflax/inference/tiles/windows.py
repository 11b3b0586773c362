"""Windows of one size in a picture, their features, and the blocks of its positions.

Windows overlap, and the last ones reach beyond the picture; blocks hold each position
of the picture once, and only the last is not full.
"""

import math
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, Self

import numpy as np
from jaxtyping import Float

from styleflax.memory import available_bytes
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
        ValueError: If the value is not allowed.
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


class KeyBlock(NamedTuple):
    """Some positions of every layer.

    Attributes:
        features: By layer, (n, c).
        allowed: By layer, (n,): 0 for filler, else 1.
    """

    features: dict[str, Float[np.ndarray, "n c"]]
    allowed: dict[str, Float[np.ndarray, " n"]]


def key_blocks(
    windows: Iterable[tuple[Window, Mapping[str, np.ndarray]]],
    strides: Mapping[str, int],
) -> Iterator[KeyBlock]:
    """Yields the positions of the windows' cores, as many at a time as a window has.

    Args:
        windows: All of a picture, with their features.
        strides: Strides of every layer's positions, in px.
    """
    waiting: dict[str, np.ndarray] = {}
    sizes: dict[str, int] = {}
    for window, features in windows:
        for layer, stride in strides.items():
            core = _core(features[layer][0], window, stride)
            before = waiting.get(layer, core[:0])
            waiting[layer] = np.concatenate([before, core])
            sizes[layer] = (window.side // stride) ** 2
        while all(len(waiting[layer]) >= size for layer, size in sizes.items()):
            yield _take(waiting, sizes)
    while any(map(len, waiting.values())):
        yield _take(waiting, sizes)


def _core(feature: np.ndarray, window: Window, stride: int) -> np.ndarray:
    def part(span: Span) -> slice:
        first, last = span.begin // stride, -(-span.end // stride)
        start = span.start // stride
        return slice(first - start, last - start)

    core = feature[part(window.rows), part(window.columns)]
    return core.reshape(-1, feature.shape[-1])


def _take(waiting: dict[str, np.ndarray], sizes: Mapping[str, int]) -> KeyBlock:
    """The first positions of each layer, which are then no longer waiting."""
    block = KeyBlock({}, {})
    for layer, size in sizes.items():
        taken = waiting[layer][:size]
        missing = size - len(taken)
        block.features[layer] = np.pad(taken, ((0, missing), (0, 0)))
        block.allowed[layer] = np.pad(np.ones(len(taken), np.float32), (0, missing))
        waiting[layer] = waiting[layer][size:]
    return block


Features = dict[str, np.ndarray]
IN_MEMORY_BYTES = 2**29
"""Bytes of features in memory; more are stored in files."""


class FeatureCache:
    """`kept[index]`: a window's features, computed on first access.

    Kept in memory up to a limit, then in a temporary folder, which goes on exit;
    where that is full, they are computed again each time.

    Example:
        >>> with FeatureCache(compute) as kept:
        ...     features = kept[0]
    """

    def __init__(
        self,
        compute: Callable[[int], Features],
        limit_bytes: int | None = None,
    ) -> None:
        if limit_bytes is None:
            free = available_bytes()  # most of which is for the windows' programs
            limit_bytes = IN_MEMORY_BYTES if free is None else free // 4
        self._compute = compute
        self._left_bytes = min(limit_bytes, IN_MEMORY_BYTES)
        self._in_memory: dict[int, Features] = {}
        self._in_files: dict[int, dict[str, np.dtype]] = {}
        self._folder: tempfile.TemporaryDirectory[str] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._in_memory.clear()
        if self._folder is not None:
            self._folder.cleanup()

    def __getitem__(self, index: int) -> Features:
        if index in self._in_memory:
            return self._in_memory[index]
        if index in self._in_files:
            with np.load(self._path(index)) as file:
                # NumPy forgets types that are not its own, as bfloat16.
                types = self._in_files[index]
                return {name: file[name].view(types[name]) for name in types}
        features = self._compute(index)
        self._keep(index, features)
        return features

    def _keep(self, index: int, features: Features) -> None:
        size = sum(array.nbytes for array in features.values())
        if size <= self._left_bytes:
            self._left_bytes -= size
            self._in_memory[index] = features
            return
        try:
            np.savez(self._path(index), **features)  # type: ignore[arg-type]
        except OSError:  # no room; half a file would only keep it from others
            if self._folder is not None:
                self._path(index).unlink(missing_ok=True)
        else:
            self._in_files[index] = {name: x.dtype for name, x in features.items()}

    def _path(self, index: int) -> Path:
        if self._folder is None:
            self._folder = tempfile.TemporaryDirectory(prefix="styleflax-")
        return Path(self._folder.name) / f"{index}.npz"
