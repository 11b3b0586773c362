"""Weights in Keras' HDF5 files, read and written with h5py (extra `h5`).

Three layouts are in use, told apart by the file: `LAYER/LAYER_W_1:0` (Keras 1),
`LAYER/LAYER/kernel:0` (Keras 2, also below `model_weights`) and
`layers/conv2d_7/vars/0` with or without the layer's name as an attribute (Keras 3).
All become `LAYER/kernel` and `LAYER/bias`.
"""

import importlib
import io
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

_MAGIC = b"\x89HDF\r\n\x1a\n"
_MAX_REASON = 300
_OPTIMIZERS = ("optimizer/", "optimizer_weights/")
_LEAVES = {"W": "kernel", "b": "bias", "0": "kernel", "1": "bias"}


def is_h5(path: Path) -> bool:
    """Whether a file begins as HDF5 files do."""
    with path.open("rb") as file:
        return file.read(len(_MAGIC)) == _MAGIC


def _import_h5py() -> Any:
    try:
        return importlib.import_module("h5py")
    except ImportError as error:
        raise ImportError(
            "Keras' .h5 files need h5py: run `pip install 'styleflax[h5]'`"
        ) from error


def _canonical_name(name: str, dataset: Any) -> str:
    """`block1_conv1/kernel` for the path of a dataset in any of the layouts."""
    *_, group, leaf = ("", *name.split("/"))
    leaf = leaf.removesuffix(":0")
    if group == "vars":
        given = dataset.parent.attrs.get("name")
        group = given if isinstance(given, str) else name.split("/")[-3]
    elif old := re.fullmatch(re.escape(group) + r"_([Wb])(_\d+)?", leaf):
        leaf = old[1]
    return f"{group}/{_LEAVES.get(leaf, leaf)}"


@contextmanager
def _opened(path: Path) -> Iterator[dict[str, Any]]:
    """The file's datasets by canonical name."""
    h5py = _import_h5py()
    try:
        with h5py.File(path, "r") as file:
            datasets: dict[str, Any] = {}

            # Visits what is in this file; links to other files are not followed.
            def visit(name: str, item: Any) -> None:
                if isinstance(item, h5py.Dataset) and not name.startswith(_OPTIMIZERS):
                    canonical = _canonical_name(name, item)
                    if canonical in datasets:
                        raise ValueError(f"it has two tensors {canonical}")  # noqa: TRY301
                    datasets[canonical] = item

            file.visititems(visit)
            yield datasets
    except Exception as error:  # h5py raises nearly every built-in error
        reason = str(error).partition("\n")[0][:_MAX_REASON]
        raise ValueError(
            f"{path} is not a weight file of Keras: {reason or type(error).__name__}"
        ) from error


def load_shapes(path: Path) -> dict[str, tuple[int, ...]]:
    """Return the shapes in a file by canonical name, reading none of its values.

    Raises:
        ImportError: If h5py is not installed.
        ValueError: If the file is damaged.
    """
    with _opened(path) as datasets:
        return {name: tuple(item.shape or ()) for name, item in datasets.items()}


def load_arrays(path: Path, wanted: Callable[[str], bool]) -> dict[str, np.ndarray]:
    """Return arrays by canonical name (`block1_conv1/kernel`, ...).

    Args:
        path: The file.
        wanted: Told a canonical name, says whether to read it. The caller has checked
            the shapes of those, because a file of a few bytes may claim any.

    Raises:
        ImportError: If h5py is not installed.
        ValueError: If the file is damaged, or keeps values outside of itself.
    """
    with _opened(path) as datasets:
        chosen = {name: item for name, item in datasets.items() if wanted(name)}
        for name, item in chosen.items():
            chunks = item.chunks or item.shape
            if item.external or item.is_virtual or item.dtype.hasobject:
                raise ValueError(f"{name} is not a plain array")
            if any(c > size for c, size in zip(chunks, item.shape, strict=True)):
                raise ValueError(f"the chunks of {name} are larger than itself")
        return {name: np.asarray(item[()]) for name, item in chosen.items()}


def dump_arrays(arrays: Mapping[str, np.ndarray]) -> bytes:
    """The file that holds arrays by canonical name, as Keras 2 and 3 load it.

    Raises:
        ImportError: If h5py is not installed.
    """
    h5py = _import_h5py()
    layers: dict[str, list[str]] = {}
    for name in arrays:
        layers.setdefault(name.partition("/")[0], []).append(name)
    buffer = io.BytesIO()
    with h5py.File(buffer, "w") as file:
        file.attrs["layer_names"] = np.array(list(layers), "S")
        for layer, names in layers.items():
            stored = [f"{name}:0" for name in names]
            group = file.create_group(layer)
            group.attrs["weight_names"] = np.array(stored, "S")
            for name, full in zip(names, stored, strict=True):
                group.create_dataset(full, data=arrays[name])
    return buffer.getvalue()
