import contextlib
import itertools
import os
import pickle
import tracemalloc
import warnings

import hostile_files
import numpy as np
import pytest

from styleflax.weights.encoder import load_encoder
from styleflax.weights.published.convert import convert_files
from styleflax.weights.published.keras_file import dump_arrays
from styleflax.weights.published.torch_file import load_state_dict
from styleflax.weights.store import EncoderSpec, ModelFile, load_model, save_model

LOADERS = {
    "load_model": load_model,
    "load_state_dict": load_state_dict,
    "load_encoder": load_encoder,
    "convert_files": lambda path: convert_files([path]),
}
MAX_BYTES = 64 * 2**20
MAX_LINE = 1500
HARMLESS = {"after the weights"}
"""What follows a whole file is not read."""


@pytest.fixture
def valid(make_state, write_zip, write_legacy, tmp_path):
    """A small file of every kind, as bytes."""
    path = tmp_path / "valid"
    files = {}
    for kind, write in (("zip", write_zip), ("legacy", write_legacy)):
        write(path, make_state("torchvision vgg16"))
        files[kind] = path.read_bytes()
    params = {"conv1_1": {"bias": np.ones(3, np.float32)}}
    spec = EncoderSpec("vgg16", "torchvision")
    save_model(path, ModelFile("adain", spec, params, {}, {}, {}, {}))
    files["model"] = path.read_bytes()
    files["h5"] = dump_arrays(make_state("Keras vgg16"))
    path.unlink()
    return files


def try_to_load(path):
    """Loaders that did load it; the others refused it in one clear line."""
    loaded = []
    for name, load in LOADERS.items():
        tracemalloc.reset_peak()
        try:
            load(path)
        except (ValueError, OSError) as error:
            message = str(error)
            assert str(path) in message, (name, message)
            assert message.isprintable(), (name, message)
            assert len(message) < MAX_LINE, (name, message)
        else:
            loaded.append(name)
        assert tracemalloc.get_traced_memory()[1] < MAX_BYTES, name
    return loaded


@pytest.fixture
def bounded():
    """Warnings are errors, and memory is counted."""
    tracemalloc.start()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield
    tracemalloc.stop()


@pytest.mark.parametrize("kind", hostile_files.KINDS)
def test_hostile_files_run_nothing_and_are_refused_in_one_line(
    kind, valid, bounded, tmp_path
):
    canary, path = tmp_path / "canary", tmp_path / "weights.pth"
    rng = np.random.default_rng(2019)
    for name, data in hostile_files.KINDS[kind](rng, canary, valid):
        path.write_bytes(data)
        loaded = try_to_load(path)
        assert not canary.exists(), name
        assert not loaded or name in HARMLESS or kind == "flipped", (name, loaded)


def test_there_are_at_least_200_of_them(valid, tmp_path):
    rng = np.random.default_rng(2019)
    numbers = [
        sum(1 for _ in make(rng, tmp_path / "canary", valid))
        for make in hostile_files.KINDS.values()
    ]
    assert sum(numbers) >= 200


def test_every_call_does_leave_its_canary_when_pickle_reads_it(tmp_path):
    canary = tmp_path / "canary"
    for name, call in hostile_files.calls(canary).items():
        with contextlib.suppress(pickle.UnpicklingError):
            made = pickle.loads(pickle.dumps(call))
            if name == "popen":
                made.wait()
        assert canary.exists(), name
        (canary.rmdir if canary.is_dir() else canary.unlink)()


@pytest.mark.parametrize(
    ("layout", "kind"),
    [
        *itertools.product(["zip", "legacy", "h5"], ["nan", "inf", "overflow"]),
        *(("zip", "int64"), ("legacy", "int64"), ("h5", "bool")),
    ],
)
def test_values_that_are_no_weights_are_refused(
    layout, kind, make_state, write_zip, write_legacy, tmp_path
):
    state = make_state("Keras vgg16" if layout == "h5" else "torchvision vgg16")
    name, array = next(iter(state.items()))
    if kind in ("int64", "bool"):
        state[name] = array.astype(kind)
    else:
        value = {"nan": np.nan, "inf": -np.inf, "overflow": 1e300}[kind]
        state[name] = np.full(array.shape, value)
    path = tmp_path / "weights"
    if layout == "h5":
        path.write_bytes(dump_arrays(state))
    else:
        {"zip": write_zip, "legacy": write_legacy}[layout](path, state)
    for load in (LOADERS["load_encoder"], LOADERS["convert_files"]):
        with pytest.raises(ValueError, match=r"not finite|not floating") as caught:
            load(path)
        assert name in str(caught.value)
        assert str(path) in str(caught.value)


@pytest.mark.parametrize("name", LOADERS)
def test_what_is_no_file_is_refused_at_once(name, tmp_path):
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    (tmp_path / "nowhere").symlink_to(tmp_path / "missing")
    odd = [tmp_path / n for n in ("fifo", "loop", "nowhere", "missing", ".")]
    for path in (*odd, "/dev/zero", "/dev/null"):
        with pytest.raises((ValueError, OSError)) as caught:
            LOADERS[name](path)
        assert os.fspath(path).rstrip("/.") in str(caught.value)
        assert str(caught.value).isprintable()
