"""State dicts of PyTorch, read without PyTorch and without running their pickles.

Two layouts are in use. Since PyTorch 1.6 a file is a zip archive: a pickle
`data.pkl` whose tensors name their storages, and one raw file `data/KEY` for each
storage. Before, it was a row of pickles (magic number, version, machine, object, list
of storage keys) followed by the raw storages. Both are described by the code of
torch/serialization.py, from which the constants here come.
"""

import math
import os
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import numpy as np

from styleflax.weights.safe_pickle import Constructor, Names, load_restricted

MAGIC_NUMBER = 0x1950A86A20F9469CFC6C
PROTOCOL_VERSION = 1001

_STORAGE_DTYPES = {
    "HalfStorage": "<f2",
    "FloatStorage": "<f4",
    "DoubleStorage": "<f8",
    "IntStorage": "<i4",
    "LongStorage": "<i8",
}


class _Storage(NamedTuple):
    key: str
    dtype: str
    numel: int


class _Tensor:
    """Where a tensor lies: a storage, the first element, the shape."""

    __slots__ = ("offset", "shape", "storage")

    storage: _Storage
    offset: int
    shape: tuple[int, ...]

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        # Also what PyTorch 0.1 wrote for its tensors: (storage, offset, size, stride).
        storage, offset, shape, stride = state
        contiguous = [math.prod(shape[axis + 1 :]) for axis in range(len(shape))]
        # Strides say nothing where no second element is.
        if math.prod(shape) > 0 and any(
            size > 1 and given != expected
            for size, given, expected in zip(shape, stride, contiguous, strict=True)
        ):
            raise ValueError(f"a tensor of shape {shape} is not contiguous")
        if not isinstance(storage, _Storage) or min(offset, *shape, 0) < 0:
            raise ValueError("a tensor without a proper storage and shape")
        if offset + math.prod(shape) > storage.numel:
            raise ValueError(f"a tensor of shape {shape} reaches past its storage")
        self.storage, self.offset, self.shape = storage, offset, tuple(shape)


class _StateDict(dict[Any, Any]):
    """Stand-in for OrderedDict: PyTorch hangs module versions onto it."""

    def __setstate__(self, _: Any) -> None:
        """Forget them."""


def _rebuild_tensor(*args: Any) -> _Tensor:
    tensor = _Tensor()
    # Version 2 adds requires_grad, hooks and metadata: nothing that weights need.
    tensor.__setstate__(args[:4])
    return tensor


def _torch_names() -> Names:
    names: dict[tuple[str, str], Any] = {
        ("collections", "OrderedDict"): _StateDict,
        ("torch._utils", "_rebuild_tensor"): Constructor(_rebuild_tensor),
        ("torch._utils", "_rebuild_tensor_v2"): Constructor(_rebuild_tensor),
        ("torch._utils", "_rebuild_parameter"): Constructor(lambda data, *_: data),
        ("torch", "FloatTensor"): _Tensor,
    }
    # Plain strings, which a pickle can neither call nor write to.
    names |= {("torch", name): dtype for name, dtype in _STORAGE_DTYPES.items()}
    return names


def _load_storage(pid: Any) -> _Storage:
    kind, dtype, key, _, numel, *view = pid
    if kind != "storage" or dtype not in _STORAGE_DTYPES.values() or any(view):
        raise ValueError(f"an object of the kind {kind!r} is not a plain storage")
    if not isinstance(key, str) or not isinstance(numel, int) or numel < 0:
        raise ValueError("a storage without a proper key and size")
    return _Storage(key, dtype, numel)


def _load_object(file: BinaryIO) -> Any:
    return load_restricted(file, _torch_names(), _load_storage)


def _wanted_tensors(
    value: Any, wanted: Callable[[str], bool], num_bytes: int
) -> dict[str, _Tensor]:
    if not isinstance(value, dict):
        raise ValueError(f"it holds no state dict but a {type(value).__name__}")  # noqa: TRY004
    tensors = {name: leaf for name, leaf in value.items() if wanted(str(name))}
    for name, tensor in tensors.items():
        if not isinstance(name, str) or not isinstance(tensor, _Tensor):
            raise ValueError(f"{name!r} in its state dict is not a tensor")  # noqa: TRY004
    total = sum(
        math.prod(tensor.shape) * np.dtype(tensor.storage.dtype).itemsize
        for tensor in tensors.values()
    )
    # Many tensors that share one storage would otherwise fill the memory.
    if total > num_bytes:
        raise ValueError("its tensors together are larger than the file")
    return tensors


def _slice(data: bytes, tensor: _Tensor) -> np.ndarray:
    size = math.prod(tensor.shape)
    flat = np.frombuffer(data, tensor.storage.dtype, size, offset=0)
    return flat.reshape(tensor.shape)


def _read_zip(
    file: BinaryIO, wanted: Callable[[str], bool], num_bytes: int
) -> dict[str, np.ndarray]:
    with zipfile.ZipFile(file) as archive:
        roots = [
            n[: -len("data.pkl")] for n in archive.namelist() if n.endswith("/data.pkl")
        ]
        if len(roots) != 1:
            raise ValueError("it has no single data.pkl")
        entries = {info.filename: info for info in archive.infolist()}
        if any(info.compress_type != zipfile.ZIP_STORED for info in entries.values()):
            raise ValueError("its entries are compressed, which PyTorch never does")
        order = entries.get(roots[0] + "byteorder")
        if order is not None and archive.read(order) != b"little":
            raise ValueError("it was written on a big-endian machine")
        with archive.open(roots[0] + "data.pkl") as pickled:
            value = _load_object(pickled)  # type: ignore[arg-type]
        arrays = {}
        for name, tensor in _wanted_tensors(value, wanted, num_bytes).items():
            itemsize = np.dtype(tensor.storage.dtype).itemsize
            entry = entries[f"{roots[0]}data/{tensor.storage.key}"]
            if entry.file_size != tensor.storage.numel * itemsize:
                raise ValueError(f"the storage of {name!r} has another size")
            data = archive.read(entry)  # which checks the CRC
            arrays[name] = _slice(data[tensor.offset * itemsize :], tensor)
    return arrays


def _storage_positions(
    file: BinaryIO, keys: Any, storages: dict[str, _Storage], num_bytes: int
) -> dict[str, int]:
    positions = {}
    for key in keys:
        storage = storages[key]
        if file.read(8) != storage.numel.to_bytes(8, "little"):
            raise ValueError(f"the storage {key!r} has another size")
        positions[key] = file.tell()
        end = positions[key] + storage.numel * np.dtype(storage.dtype).itemsize
        if end > num_bytes:
            raise ValueError(f"the file ends within the storage {key!r}")
        file.seek(end)
    return positions


def _read_legacy(
    file: BinaryIO, wanted: Callable[[str], bool], num_bytes: int
) -> dict[str, np.ndarray]:
    if _load_object(file) != MAGIC_NUMBER:
        raise ValueError("it does not begin with PyTorch's magic number")
    version, system = _load_object(file), _load_object(file)
    if version != PROTOCOL_VERSION or not system["little_endian"]:
        raise ValueError(f"its version {version} or byte order is not supported")
    storages: dict[str, _Storage] = {}

    def remember(pid: Any) -> _Storage:
        storage = _load_storage(pid)
        return storages.setdefault(storage.key, storage)

    value = load_restricted(file, _torch_names(), remember)
    positions = _storage_positions(file, _load_object(file), storages, num_bytes)
    arrays = {}
    for name, tensor in _wanted_tensors(value, wanted, num_bytes).items():
        itemsize = np.dtype(tensor.storage.dtype).itemsize
        file.seek(positions[tensor.storage.key] + tensor.offset * itemsize)
        arrays[name] = _slice(file.read(math.prod(tensor.shape) * itemsize), tensor)
    return arrays


def load_state_dict(
    path: str | os.PathLike[str], wanted: Callable[[str], bool] = lambda _: True
) -> dict[str, np.ndarray]:
    """Return the tensors of a state dict that `torch.save` wrote.

    Args:
        path: a file of either layout.
        wanted: told a tensor's name, says whether to read it; the others cost no
            memory.

    Returns:
        Arrays by name, in their own type and in PyTorch's layout: kernels are
        (out, in, height, width).

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: the file is damaged, or holds anything but contiguous tensors of
            plain number types.
    """
    num_bytes = Path(path).stat().st_size
    with Path(path).open("rb") as file:
        is_zip = file.read(4) == b"PK\x03\x04"
        file.seek(0)
        try:
            return (_read_zip if is_zip else _read_legacy)(file, wanted, num_bytes)
        except Exception as error:  # damaged files raise nearly every built-in error
            reason = str(error).partition("\n")[0] or type(error).__name__
            raise ValueError(f"{path} is not a PyTorch state dict: {reason}") from error
