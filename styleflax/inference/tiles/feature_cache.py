"""Features of windows, kept between passes over a picture."""

import tempfile
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np

from styleflax.memory import available_bytes

Features = dict[str, np.ndarray]
IN_MEMORY_BYTES = 2**29
"""Bytes of features in memory; more are stored in files."""


class KeptFeatures:
    """`kept[index]`: a window's features, computed when they are first asked for.

    Kept in memory up to a limit, then in a temporary folder, which goes on exit;
    where that is full, they are computed again each time.

    Example:
        >>> with KeptFeatures(compute) as kept:
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
