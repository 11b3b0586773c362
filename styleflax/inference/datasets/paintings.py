"""The styles of a stylized data set, and which picture gets which."""

import collections
import threading
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import jax
import numpy as np

from styleflax.datasets.augment import centre_crop
from styleflax.datasets.labelled import describe_files, relative_names
from styleflax.images.decoding import ImageError
from styleflax.images.read import other_frames
from styleflax.methods.base import Style

MEMORY_LIMIT_BYTES = 2**30
"""Bytes of encoded styles in memory; others are encoded again when needed. AdaIN's take
4 kB each; SANet's of 256 px take 2.5 MB."""


class Painting(NamedTuple):
    """A style of the folder.

    Attributes:
        name: Its path within the folder.
        style: What the model keeps of it, as NumPy arrays.
        damaged: Names of the paintings before it that could not be used.
        remark: What was left out of it, or "".
    """

    name: str
    style: Style
    damaged: tuple[str, ...]
    remark: str = ""


class Paintings:
    """A folder of styles, each encoded when it first comes. Threads may share it."""

    def __init__(
        self,
        folder: Path,
        size_px: int,
        encode: Callable[[np.ndarray], Style],
        limit_bytes: int = MEMORY_LIMIT_BYTES,
    ) -> None:
        self._folder, self._size_px, self._encode = folder, size_px, encode
        self._limit_bytes, self._bytes = limit_bytes, 0
        self._names, self.left_out = relative_names(folder)
        if not self._names:
            raise ValueError(f"the folder {str(folder)!r} has no image")
        self.description = describe_files(folder, self._names)
        self._kept: collections.OrderedDict[int, Painting] = collections.OrderedDict()
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._names)

    def draw(self, seed: int, index: int, copy: int = 0) -> Painting:
        """The style of a picture: a pure function of the seed and its numbers.

        A painting that is damaged is replaced by the next in order.

        Args:
            seed: Seed of the data set.
            index: The picture's place in the source.
            copy: Which of its styles, from 0, no two the same.

        Raises:
            ValueError: Not one painting can be used.
        """
        # The words of SeedSequence are the same in all versions of NumPy, and its
        # first ones do not depend on how many are asked for.
        sequence = np.random.SeedSequence([seed, index])
        drawn: list[int] = []
        for word in sequence.generate_state(copy + 1, np.uint64):
            number = int(word % len(self._names))
            while number in drawn:
                number = (number + 1) % len(self._names)
            drawn.append(number)
        number = drawn[-1]
        with self._lock:
            if number in self._kept:
                self._kept.move_to_end(number)
                return self._kept[number]
        painting = self._read(number)
        size = sum(leaf.nbytes for leaf in jax.tree.leaves(painting.style))
        with self._lock:
            if number not in self._kept:
                self._kept[number] = painting
                self._bytes += size
            while self._bytes > self._limit_bytes and len(self._kept) > 1:
                _, old = self._kept.popitem(last=False)
                self._bytes -= sum(x.nbytes for x in jax.tree.leaves(old.style))
        return painting

    def _read(self, number: int) -> Painting:
        damaged: list[str] = []
        for shift in range(len(self._names)):
            name = self._names[(number + shift) % len(self._names)]
            try:
                encoded = (self._folder / name).read_bytes()
                picture_u8 = centre_crop(encoded, self._size_px)
            except (ImageError, OSError):
                damaged.append(name)
                continue
            style = self._encode(picture_u8)
            return Painting(name, style, tuple(damaged), other_frames(encoded))
        raise ValueError(f"not one painting in {str(self._folder)!r} can be used")
