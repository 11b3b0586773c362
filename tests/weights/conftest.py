"""Fixtures that write state dicts in both of PyTorch's layouts without PyTorch.

Classes that only lend their names to the pickle stand for PyTorch's own.
"""

import io
import pickle
import sys
import types
import zipfile
from collections import OrderedDict

import ml_dtypes
import numpy as np
import pytest

from styleflax.weights.published import formats


def _named(module, name):
    return type(name, (), {"__module__": module, "__qualname__": name})


STORAGES = {
    "|u1": _named("torch", "ByteStorage"),
    "<f2": _named("torch", "HalfStorage"),
    "<f4": _named("torch", "FloatStorage"),
    "<f8": _named("torch", "DoubleStorage"),
    "<i8": _named("torch", "LongStorage"),
    np.dtype(ml_dtypes.bfloat16).str: _named("torch", "BFloat16Storage"),
}


def _rebuild_tensor_v2(*args):
    raise NotImplementedError


_rebuild_tensor_v2.__module__ = "torch._utils"


class FakeTensor:
    def __init__(self, array, key, stride=None, offset=0, numel=None):
        self.array, self.key = array, key
        self.stride = stride or tuple(s // array.itemsize for s in array.strides)
        self.offset, self.numel = offset, array.size if numel is None else numel

    def __reduce__(self):
        storage = _Storage(STORAGES[self.array.dtype.str], self.key, self.numel)
        hooks = OrderedDict()
        args = (storage, self.offset, self.array.shape, self.stride, False, hooks)
        return _rebuild_tensor_v2, args


class _Storage:
    def __init__(self, kind, key, numel):
        self.pid = ("storage", kind, key, "cpu", numel)


class _Pickler(pickle.Pickler):
    legacy = False

    def persistent_id(self, value):
        if isinstance(value, _Storage):
            return (*value.pid, None) if self.legacy else value.pid
        return None


def _pickled(value, legacy):
    modules = {name: types.ModuleType(name) for name in ("torch", "torch._utils")}
    for made in STORAGES.values():
        setattr(modules["torch"], made.__name__, made)
    modules["torch._utils"]._rebuild_tensor_v2 = _rebuild_tensor_v2
    modules["torch"]._utils = modules["torch._utils"]
    kept = {name: sys.modules.get(name) for name in modules}
    sys.modules.update(modules)  # pickle checks that a name leads to its object
    try:
        file = io.BytesIO()
        pickler = _Pickler(file, 2)
        pickler.legacy = legacy
        pickler.dump(value)
        return file.getvalue()
    finally:
        for name, module in kept.items():
            if module is None:
                del sys.modules[name]
            else:
                sys.modules[name] = module


def _as_tensors(state, prefix=""):
    tensors = OrderedDict()
    for i, (name, value) in enumerate(state.items()):
        if isinstance(value, np.ndarray):
            tensors[name] = FakeTensor(value, f"{prefix}{i}")
        elif isinstance(value, dict):
            tensors[name] = _as_tensors(value, f"{prefix}{i}_")
        else:
            tensors[name] = value
    return tensors


def _stored(tensors):
    found = {}
    for value in tensors.values():
        if isinstance(value, FakeTensor):
            found[value.key] = value
        elif isinstance(value, dict):
            found |= _stored(value)
    return found


def write_legacy(path, state, *, magic=0x1950A86A20F9469CFC6C, little_endian=True):
    tensors = _as_tensors(state)
    system = {
        "protocol_version": 1001,
        "little_endian": little_endian,
        "type_sizes": {},
    }
    stored = _stored(tensors)
    with path.open("wb") as file:
        for value in (magic, 1001, system):
            file.write(pickle.dumps(value, 2))
        file.write(_pickled(tensors, legacy=True))
        file.write(pickle.dumps(sorted(stored), 2))
        for key in sorted(stored):
            file.write(stored[key].array.size.to_bytes(8, "little"))
            file.write(stored[key].array.tobytes())


def write_zip(path, state, *, compression=zipfile.ZIP_STORED, byteorder=b"little"):
    tensors = _as_tensors(state)
    with zipfile.ZipFile(path, "w", compression) as archive:
        archive.writestr("archive/data.pkl", _pickled(tensors, legacy=False))
        archive.writestr("archive/byteorder", byteorder)
        for tensor in _stored(tensors).values():
            archive.writestr(f"archive/data/{tensor.key}", tensor.array.tobytes())


@pytest.fixture(name="write_legacy")
def _write_legacy():
    return write_legacy


@pytest.fixture(name="write_zip")
def _write_zip():
    return write_zip


@pytest.fixture(params=[write_legacy, write_zip], ids=["legacy", "zip"])
def write_torch(request):
    """Both layouts, one after the other."""
    return request.param


@pytest.fixture
def fake_tensor():
    return FakeTensor


@pytest.fixture
def narrow(monkeypatch):
    """Published networks of a few channels, so that the tests are fast."""
    layers = {name: 2 + i % 3 for i, name in enumerate(formats.DECODER_LAYERS)}
    monkeypatch.setattr(formats, "DECODER_LAYERS", layers | {"conv1_1": 3})
    monkeypatch.setattr(formats, "WIDTHS", (2, 3, 4, 5, 5))


@pytest.fixture
def make_state(narrow):
    """`make_state(format)`: random weights under the names of a published format."""

    def make(name, seed=0):
        rng = np.random.default_rng(seed)
        return {
            entry.name: rng.normal(size=entry.shape).astype(np.float32)
            for entry in formats.find_format(name).entries
        }

    return make
