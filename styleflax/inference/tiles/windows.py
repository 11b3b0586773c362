"""Windows of one size that cover an image, a cache of features, and blocks of keys.

Windows overlap, and the last ones extend beyond the image. Blocks have each position
of the image exactly once, and only the last block is padded.
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
"""Default side of a window, in px."""


class Span(NamedTuple):
    """The extent of a window and of its core along one side of the image, in px.

    Attributes:
        start: First pixel of the window.
        begin: First pixel of the core, the part of the window whose result is used.
        end: End of the core. The cores of all windows cover each pixel once.
    """

    start: int
    begin: int
    end: int


class Window(NamedTuple):
    """A square window.

    Attributes:
        side: Side of the window, in px.
        rows: Extent of the window and its core in rows.
        columns: Extent of the window and its core in columns.
    """

    side: int
    rows: Span
    columns: Span


def count_windows(height: int, width: int, tile_px: int, tiling: Tiling) -> int | None:
    """Returns the number of windows for an image; None if their side is not allowed."""
    if tile_px % tiling.stride_px:
        return None
    if max(height, width) <= tile_px:
        return 1
    if tile_px < smallest_tile(tiling):
        return None
    step = tile_px - 2 * tiling.halo_px
    return math.prod(_count(size, tile_px, step) for size in (height, width))


def check_tile(tile_px: int, tiling: Tiling) -> None:
    """Checks that windows have a core, of a whole number of feature positions.

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
    """Returns the smallest side of a window if an image has several, in px."""
    return 2 * tiling.halo_px + tiling.stride_px


def cut_windows(height: int, width: int, tile_px: int, tiling: Tiling) -> list[Window]:
    """Returns the windows of an image; a single window may have any size.

    Args:
        height: Height of the image, in px.
        width: Width of the image, in px.
        tile_px: Side of a window, in px.
        tiling: Tiling of the method.

    Raises:
        ValueError: If `check_tile` refuses `tile_px`.
    """
    if count_windows(height, width, tile_px, tiling) is None:
        check_tile(tile_px, tiling)
    rows, columns = (cut_spans(s, tile_px, tiling.halo_px) for s in (height, width))
    return [Window(tile_px, r, c) for r in rows for c in columns]


def cut_spans(size: int, side: int, halo: int) -> list[Span]:
    """Returns the spans of windows along one side of an image.

    The first window begins at the start of the image, and the last one reaches its
    end or extends beyond it.
    """
    step = side - 2 * halo
    count = _count(size, side, step)
    starts = [step * k for k in range(count)]
    begins = [0, *(start + halo for start in starts[1:])]
    return [
        Span(*span) for span in zip(starts, begins, [*begins[1:], size], strict=True)
    ]


def _count(size: int, side: int, step: int) -> int:
    """Returns the number of windows along a side of the image."""
    return 1 if size <= side else -(-(size - (side - step)) // step)


class KeyBlock(NamedTuple):
    """A fixed number of positions of every layer, as keys of attention.

    Attributes:
        features: Features by layer.
        allowed: Mask by layer: 1 for positions of the image, 0 for padding.
    """

    features: dict[str, Float[np.ndarray, "n c"]]
    allowed: dict[str, Float[np.ndarray, " n"]]


def key_blocks(
    windows: Iterable[tuple[Window, Mapping[str, np.ndarray]]],
    strides: Mapping[str, int],
) -> Iterator[KeyBlock]:
    """Yields the positions of all cores in blocks of as many as one window has.

    Args:
        windows: All windows of an image, with their features.
        strides: Stride of every layer's positions, in px.
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
    """Removes and returns the first positions of each layer."""
    block = KeyBlock({}, {})
    for layer, size in sizes.items():
        positions = waiting[layer][:size]
        missing = size - len(positions)
        block.features[layer] = np.pad(positions, ((0, missing), (0, 0)))
        block.allowed[layer] = np.pad(np.ones(len(positions), np.float32), (0, missing))
        waiting[layer] = waiting[layer][size:]
    return block


Features = dict[str, np.ndarray]
IN_MEMORY_BYTES = 2**29
"""Limit of features in memory, in bytes; further ones are stored in files."""


class FeatureCache:
    """A cache of the windows' features, which are computed on first access.

    Features are stored in memory up to a limit, then in a temporary folder that is
    deleted on exit; if its disk is full, they are computed again on each access.

    Example:
        >>> with FeatureCache(compute) as cache:
        ...     features = cache[0]
    """

    def __init__(
        self,
        compute: Callable[[int], Features],
        limit_bytes: int | None = None,
    ) -> None:
        if limit_bytes is None:
            free = available_bytes()  # most of it is needed by the windows' programs
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
                # NumPy files do not store foreign dtypes such as bfloat16.
                types = self._in_files[index]
                return {name: file[name].view(types[name]) for name in types}
        features = self._compute(index)
        self._store(index, features)
        return features

    def _store(self, index: int, features: Features) -> None:
        size = sum(array.nbytes for array in features.values())
        if size <= self._left_bytes:
            self._left_bytes -= size
            self._in_memory[index] = features
            return
        try:
            np.savez(self._path(index), **features)  # type: ignore[arg-type]
        except OSError:  # disk full; an incomplete file only takes space
            if self._folder is not None:
                self._path(index).unlink(missing_ok=True)
        else:
            self._in_files[index] = {name: x.dtype for name, x in features.items()}

    def _path(self, index: int) -> Path:
        if self._folder is None:
            self._folder = tempfile.TemporaryDirectory(prefix="styleflax-")
        return Path(self._folder.name) / f"{index}.npz"
