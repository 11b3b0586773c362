"""Stand-ins for what the pickle of a PyTorch state dict names.

Nothing here trusts the file: sizes are checked before any arithmetic with them, and
tensors are cut out of their storages within bounds.
"""

import math
from typing import Any, BinaryIO, NamedTuple

import ml_dtypes
import numpy as np

from styleflax.weights.published.safe_pickle import Constructor, Names, load_restricted

_MAX_AXES = 32
_STORAGE_DTYPES = {
    "ByteStorage": "|u1",
    "HalfStorage": "<f2",
    "BFloat16Storage": "bfloat16",
    "FloatStorage": "<f4",
    "DoubleStorage": "<f8",
    "IntStorage": "<i4",
    "LongStorage": "<i8",
}


class Storage(NamedTuple):
    """Raw values in the file: where, of which type, how many."""

    key: str
    dtype: str
    numel: int

    def num_bytes(self) -> int:
        """Its size in the file."""
        return self.numel * _dtype(self.dtype).itemsize


def _dtype(code: str) -> np.dtype:
    # NumPy has no such type of its own, and knows the name only by chance.
    return np.dtype(ml_dtypes.bfloat16) if code == "bfloat16" else np.dtype(code)


def _are_sizes(value: Any) -> bool:
    # Checked before any arithmetic: what a file calls a shape may be anything.
    return (
        type(value) is tuple
        and len(value) <= _MAX_AXES
        and all(type(size) is int and size >= 0 for size in value)
    )


class Tensor:
    """Where a tensor lies: a storage, the first element, the shape, the strides."""

    __slots__ = ("offset", "shape", "storage", "stride")

    storage: Storage
    offset: int
    shape: tuple[int, ...]
    stride: tuple[int, ...]

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        # Also what PyTorch 0.1 wrote for its tensors: (storage, offset, size, stride).
        storage, offset, shape, stride = state
        proper = _are_sizes(shape) and _are_sizes(stride) and _are_sizes((offset,))
        if not isinstance(storage, Storage) or not proper or len(shape) != len(stride):
            raise ValueError("a tensor without a proper storage and shape")
        steps = ((n - 1) * step for n, step in zip(shape, stride, strict=True))
        if 0 not in shape and offset + sum(steps) >= storage.numel:
            raise ValueError(f"a tensor of shape {shape} reaches past its storage")
        self.storage, self.offset, self.shape, self.stride = (
            storage,
            offset,
            shape,
            stride,
        )

    def num_bytes(self) -> int:
        """The size of its own values."""
        return math.prod(self.shape) * _dtype(self.storage.dtype).itemsize

    def cut_out(self, data: bytes) -> np.ndarray:
        """The tensor's own values; `data` is the whole storage."""
        dtype = _dtype(self.storage.dtype)
        if 0 in self.shape:
            return np.zeros(self.shape, dtype)
        flat = np.frombuffer(data, dtype)[self.offset :]
        strides = [step * dtype.itemsize for step in self.stride]
        view = np.lib.stride_tricks.as_strided(flat, self.shape, strides)
        return np.array(view, order="C")  # a copy, which lets go of the storage


class _StateDict(dict[Any, Any]):
    """Stand-in for OrderedDict: PyTorch hangs module versions onto it."""

    def __setstate__(self, _: Any) -> None:
        """Forget them."""


def _rebuild_tensor(*args: Any) -> Tensor:
    tensor = Tensor()
    # Version 2 adds requires_grad, hooks and metadata: nothing that weights need.
    tensor.__setstate__(args[:4])
    return tensor


def torch_names() -> Names:
    """All that the pickle of a state dict may look up."""
    names: dict[tuple[str, str], Any] = {
        ("collections", "OrderedDict"): _StateDict,
        ("torch._utils", "_rebuild_tensor"): Constructor(_rebuild_tensor),
        ("torch._utils", "_rebuild_tensor_v2"): Constructor(_rebuild_tensor),
        ("torch._utils", "_rebuild_parameter"): Constructor(lambda data, *_: data),
        ("torch", "FloatTensor"): Tensor,
    }
    # Plain strings, which a pickle can neither call nor write to.
    names |= {("torch", name): dtype for name, dtype in _STORAGE_DTYPES.items()}
    return names


def load_storage(pid: Any) -> Storage:
    """The storage that a persistent id means.

    Raises:
        ValueError: If it is not a plain storage of a known number type.
    """
    kind, dtype, key, _, numel, *view = pid
    if kind != "storage" or dtype not in _STORAGE_DTYPES.values() or any(view):
        raise ValueError("an object that is not a plain storage of numbers")
    if type(key) is not str or not _are_sizes((numel,)):
        raise ValueError("a storage without a proper key and size")
    return Storage(key, dtype, numel)


def load_object(file: BinaryIO) -> Any:
    """The object of the pickle at a file's position; see `load_restricted`."""
    return load_restricted(file, torch_names(), load_storage)
