"""State dicts of PyTorch, read without PyTorch and without running their pickles.

Nothing here trusts the file: sizes are checked before any arithmetic with them, and
tensors are cut out of their storages within bounds.

Two layouts are in use. Since PyTorch 1.6 a file is a zip archive: a pickle
`data.pkl` whose tensors name their storages, and one raw file `data/KEY` for each
storage. Before, it was a row of pickles (magic number, version, machine, object, list
of storage keys) followed by the raw storages. Both are described by the code of
torch/serialization.py, from which the constants here come.
"""

import io
import math
import os
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import ml_dtypes
import numpy as np

from styleflax.weights.foreign import check_weights
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


MAGIC_NUMBER = 0x1950A86A20F9469CFC6C
PROTOCOL_VERSION = 1001
WRAPPERS = (
    *("state_dict", "model_state_dict", "model", "net", "network", "decoder"),
    *("encoder", "transformer", "generator", "weights", "params"),
)
"""Keys under which training scripts store the weights among other things."""
_MAX_WRAPPERS = 4

_MAX_REASON = 300
ReadStorage = Callable[[Storage], bytes]
OpenInner = Callable[[BinaryIO], BinaryIO]


def _find_tensors(value: Any) -> dict[str, Tensor]:
    """The tensors of a state dict, also of one that is wrapped."""
    if not isinstance(value, dict):
        raise ValueError(f"it holds no state dict but a {type(value).__name__}")  # noqa: TRY004
    tensors = value
    for _ in range(_MAX_WRAPPERS):
        wrapped = [key for key in WRAPPERS if isinstance(tensors.get(key), dict)]
        if not wrapped:
            break
        if len(wrapped) > 1:
            raise ValueError(
                f"it holds several networks ({', '.join(wrapped)}): save each to its "
                f"own file, as by torch.save(torch.load(FILE)[{wrapped[0]!r}], NEW)"
            )
        tensors = tensors[wrapped[0]]
    if tensors.keys() == {"state", "param_groups"}:
        raise ValueError("it holds the state of an optimizer, no weights")
    for name, tensor in tensors.items():
        if type(name) is not str:
            raise ValueError("a name in its state dict is not a string")
        if not isinstance(tensor, Tensor):
            raise ValueError(f"{name!r} in its state dict is not a tensor")  # noqa: TRY004
    return tensors


def _open_zip(file: BinaryIO) -> tuple[Any, ReadStorage]:
    archive = zipfile.ZipFile(file)
    names = archive.namelist()
    roots = [n[: -len("data.pkl")] for n in names if n.endswith("/data.pkl")]
    if len(roots) != 1:
        raise ValueError("it has no single data.pkl")
    entries = {info.filename: info for info in archive.infolist()}
    if any(info.compress_type != zipfile.ZIP_STORED for info in entries.values()):
        raise ValueError("its entries are compressed, which PyTorch never does")
    # Python allocates what an entry claims before it reads what there is.
    most = file.seek(0, io.SEEK_END)
    if any(not e.compress_size == e.file_size <= most for e in entries.values()):
        raise ValueError("its entries are not of the size that they claim")
    order = entries.get(roots[0] + "byteorder")
    if order is not None and archive.read(order) != b"little":
        raise ValueError("it was written on a big-endian machine")

    def read(storage: Storage) -> bytes:
        entry = entries[f"{roots[0]}data/{storage.key}"]
        if entry.file_size != storage.num_bytes():
            raise ValueError(f"the storage {storage.key!r} has another size")
        return archive.read(entry)  # which checks the CRC

    with archive.open(roots[0] + "data.pkl") as pickled:
        return load_object(pickled), read  # type: ignore[arg-type]


def _open_legacy(file: BinaryIO) -> tuple[Any, ReadStorage]:
    if load_object(file) != MAGIC_NUMBER:
        raise ValueError("it does not begin with PyTorch's magic number")
    version, system = load_object(file), load_object(file)
    if version != PROTOCOL_VERSION or not system["little_endian"]:
        raise ValueError("its version or byte order is not supported")
    storages: dict[str, Storage] = {}

    def remember(pid: Any) -> Storage:
        storage = load_storage(pid)
        return storages.setdefault(storage.key, storage)

    value = load_restricted(file, torch_names(), remember)
    keys = load_object(file)
    positions = {}
    end = file.tell()
    num_bytes = file.seek(0, os.SEEK_END)
    for key in keys:
        if type(key) is not str:
            raise ValueError("a storage without a proper key")
        file.seek(end)
        if file.read(8) != storages[key].numel.to_bytes(8, "little"):
            raise ValueError(f"the storage {key!r} has another size")
        positions[key] = end + 8
        end = positions[key] + storages[key].num_bytes()
        if end > num_bytes:
            raise ValueError(f"the file ends within the storage {key!r}")

    def read(storage: Storage) -> bytes:
        file.seek(positions[storage.key])
        return file.read(storage.num_bytes())

    return value, read


@contextmanager
def _opened(
    path: Path, open_inner: OpenInner
) -> Iterator[tuple[dict[str, Tensor], ReadStorage]]:
    check_weights(path)
    if not path.is_file():  # opening a pipe would wait for a writer
        raise FileNotFoundError(f"there is no weight file {path}")
    with path.open("rb") as outer:
        try:
            file = open_inner(outer)
            num_bytes = file.seek(0, os.SEEK_END)
            file.seek(0)
            is_zip = file.read(4) == b"PK\x03\x04"
            file.seek(0)
            value, read = (_open_zip if is_zip else _open_legacy)(file)
            tensors = _find_tensors(value)
            # Many tensors that share one storage would otherwise fill the memory.
            if sum(tensor.num_bytes() for tensor in tensors.values()) > num_bytes:
                raise ValueError("its tensors together are larger than the file")  # noqa: TRY301
            yield tensors, read
        except Exception as error:  # damaged files raise nearly every built-in error
            reason = str(error).partition("\n")[0][:_MAX_REASON]
            raise ValueError(
                f"{path} is not a PyTorch state dict: {reason or type(error).__name__}"
            ) from error


def load_shapes(
    path: str | os.PathLike[str], open_inner: OpenInner = lambda file: file
) -> dict[str, tuple[int, ...]]:
    """Return the shapes in a state dict by name, reading none of its values.

    Args:
        path: as for `load_state_dict`.
        open_inner: as for `load_state_dict`.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: as `load_state_dict`.
    """
    with _opened(Path(path), open_inner) as (tensors, _):
        return {name: tensor.shape for name, tensor in tensors.items()}


def load_state_dict(
    path: str | os.PathLike[str],
    wanted: Callable[[str], bool] = lambda _: True,
    open_inner: OpenInner = lambda file: file,
) -> dict[str, np.ndarray]:
    """Return the tensors of a state dict that `torch.save` wrote.

    Args:
        path: a file of either layout; the state dict may lie under one of `WRAPPERS`.
        wanted: told a tensor's name, says whether to read it; the others cost no
            memory.
        open_inner: gives the state dict that a file holds; by default it is the file.

    Returns:
        Arrays by name, in their own type and in PyTorch's layout: kernels are
        (out, in, height, width).

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If the file is damaged, or holds anything but tensors of plain
            number types.
    """
    with _opened(Path(path), open_inner) as (tensors, read):
        chosen = {name: tensor for name, tensor in tensors.items() if wanted(name)}
        sharing: dict[Storage, list[str]] = {}
        for name, tensor in chosen.items():
            sharing.setdefault(tensor.storage, []).append(name)
        arrays: dict[str, np.ndarray] = {}
        # Each storage is read once, however many tensors share it.
        for storage, names in sharing.items():
            data = read(storage)
            if len(data) != storage.num_bytes():
                raise ValueError(f"the storage {storage.key!r} has another size")
            arrays |= {name: chosen[name].cut_out(data) for name in names}
        return {name: arrays[name] for name in chosen}
