"""State dicts of PyTorch, read without PyTorch and without running their pickles.

Two layouts are in use. Since PyTorch 1.6 a file is a zip archive: a pickle
`data.pkl` whose tensors name their storages, and one raw file `data/KEY` for each
storage. Before, it was a row of pickles (magic number, version, machine, object, list
of storage keys) followed by the raw storages. Both are described by the code of
torch/serialization.py, from which the constants here come.
"""

import io
import os
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from styleflax.weights.packaged_models import check_weights
from styleflax.weights.published.safe_pickle import load_restricted
from styleflax.weights.published.torch_tensors import (
    Storage,
    Tensor,
    load_object,
    load_storage,
    torch_names,
)

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
        FileNotFoundError: there is no such file.
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
        FileNotFoundError: there is no such file.
        ValueError: the file is damaged, or holds anything but tensors of plain number
            types.
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
