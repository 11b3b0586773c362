import sys

import numpy as np
import pytest
from flax.traverse_util import flatten_dict

from styleflax.models.vgg import conv_names
from styleflax.weights.published import export as module
from styleflax.weights.published.convert import (
    convert_files,
    export_encoder,
    export_published,
)
from styleflax.weights.published.keras_file import dump_arrays
from styleflax.weights.published.torch_file import load_state_dict
from styleflax.weights.store import EncoderSpec, load_model, save_model


@pytest.fixture
def without_torch(monkeypatch, write_zip, tmp_path):
    """Writes .pth files without PyTorch, which the default tests do not need."""

    def dump(arrays):
        write_zip(tmp_path / "dumped", dict(arrays))
        return (tmp_path / "dumped").read_bytes()

    monkeypatch.setattr(module, "_dump_torch", dump)


@pytest.fixture
def states(make_state):
    names = ("vgg_normalised", "decoder", "SANet transformer")
    return {name: make_state(name, seed) for seed, name in enumerate(names)}


@pytest.fixture
def convert(states, write_zip, tmp_path):
    """`convert(*formats)`: the model, saved in float32 and loaded again."""

    def convert(*names):
        for name in names:
            write_zip(tmp_path / name, states[name])
        path = tmp_path / "model.safetensors"
        model = convert_files([tmp_path / name for name in names])
        save_model(path, model, np.float32)
        return load_model(path)

    return convert


def assert_same(path, expected):
    loaded = load_state_dict(path)
    assert list(loaded) == list(expected)
    for name, array in loaded.items():
        assert array.dtype == np.float32
        np.testing.assert_array_equal(array, expected[name])


@pytest.mark.parametrize("num_files", [1, 2, 3])
def test_there_and_back_gives_identical_tensors(
    without_torch, convert, states, tmp_path, num_files
):
    names = list(states)[:num_files]
    written = export_published(convert(*names), tmp_path / "out")
    files = ["vgg_normalised.pth", "decoder.pth", "transformer.pth"][:num_files]
    assert written == [tmp_path / "out" / file for file in files]
    # The encoder comes back as deep as the method needs: 34, 20 or 28 tensors.
    kept = {1: 34, 2: 20, 3: 28}[num_files]
    encoder = dict(list(states["vgg_normalised"].items())[:kept])
    for path, expected in zip(
        written, [encoder, *(states[name] for name in names[1:])], strict=True
    ):
        assert_same(path, expected)


@pytest.mark.parametrize("num_files", [1, 2, 3])
def test_pytorch_itself_reads_what_is_written(convert, states, tmp_path, num_files):
    torch = pytest.importorskip("torch")
    names = list(states)[:num_files]
    written = export_published(convert(*names), tmp_path / "out")
    for path, name in zip(written, names, strict=True):
        loaded = torch.load(path, weights_only=True)
        assert len(loaded) >= 18
        for key, tensor in loaded.items():
            np.testing.assert_array_equal(tensor.numpy(), states[name][key])


@pytest.mark.parametrize("architecture", ["vgg16", "vgg19"])
@pytest.mark.parametrize("to", [export_published, "torchvision"])
def test_a_torchvision_encoder_goes_back_to_its_names(
    without_torch, make_state, write_zip, tmp_path, architecture, to
):
    state = make_state(f"torchvision {architecture}")
    write_zip(tmp_path / "a.pth", state)
    model = convert_files([tmp_path / "a.pth"])
    if to == "torchvision":
        written = export_encoder(model, tmp_path / "out", to)
    else:
        written = to(model, tmp_path / "out")
    assert written == [tmp_path / "out" / f"{architecture}.pth"]
    assert_same(written[0], state)


@pytest.mark.parametrize("to", [export_published, "keras"])
@pytest.mark.parametrize("dtype", [np.float16, np.float32])
def test_a_keras_encoder_goes_back_to_its_names(make_state, tmp_path, to, dtype):
    (tmp_path / "w.h5").write_bytes(dump_arrays(make_state("Keras vgg16")))
    save_model(tmp_path / "m", convert_files([tmp_path / "w.h5"]), dtype)
    model = load_model(tmp_path / "m")
    if to == "keras":
        (written,) = export_encoder(model, tmp_path / "out", to)
    else:
        (written,) = to(model, tmp_path / "out")
    assert written.name == "vgg16_notop.h5"
    again = convert_files([written])
    flat = flatten_dict(again.encoder_params, sep="/")
    for name, array in flatten_dict(model.encoder_params, sep="/").items():
        if not name.startswith("preprocess"):
            np.testing.assert_array_equal(flat[name], array)


def test_the_models_of_this_library_keep_their_vgg16_in_torchvision_s_names(
    without_torch, full_model_file, tmp_path
):
    written = export_published(full_model_file, tmp_path)
    assert [path.name for path in written] == ["vgg16.pth", "decoder.pth"]
    loaded = load_state_dict(written[0])
    names = conv_names("vgg16")
    assert len(loaded) == 2 * (names.index("conv4_1") + 1)
    kernel = full_model_file.encoder_params["conv4_1"]["kernel"]
    np.testing.assert_array_equal(
        loaded["features.17.weight"], np.transpose(kernel, (3, 2, 0, 1))
    )


def test_files_that_are_there_are_not_replaced(without_torch, convert, tmp_path):
    model = convert("vgg_normalised", "decoder")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "decoder.pth").write_bytes(b"mine")
    with pytest.raises(FileExistsError, match=r"decoder\.pth is there already"):
        export_published(model, tmp_path / "out")
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["decoder.pth"]
    assert (tmp_path / "out" / "decoder.pth").read_bytes() == b"mine"


def test_without_pytorch_nothing_is_written(convert, tmp_path, monkeypatch):
    model = convert("vgg_normalised", "decoder")
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(ImportError, match=r"pip install 'styleflax\[torch\]'"):
        export_published(model, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_method_without_published_files_is_refused(convert, tmp_path):
    model = convert("vgg_normalised", "decoder")._replace(method="johnson")
    with pytest.raises(ValueError, match="'johnson' has no published format"):
        export_published(model, tmp_path)


def test_trained_parts_that_do_not_fit_are_listed(convert, tmp_path):
    model = convert("vgg_normalised", "decoder")
    params = dict(model.players["model"])
    params["conv9_9"] = params.pop("conv3_4")
    wrong = model._replace(players={"model": params})
    with pytest.raises(
        ValueError, match=r"2 missing: conv3_4/bias, .*2 extra: conv9_9"
    ):
        export_published(wrong, tmp_path)
    with pytest.raises(ValueError, match="18 missing"):
        export_published(model._replace(players={}), tmp_path)


def test_an_encoder_of_another_convention_is_not_passed_off(convert, tmp_path):
    model = convert("vgg_normalised")
    with pytest.raises(ValueError, match="it would compute something else there"):
        export_encoder(model, tmp_path, "torchvision")
    # Random, unlike Caffe's, which Keras computes before the network.
    with pytest.raises(ValueError, match="first layer does not compute what Keras"):
        export_encoder(model, tmp_path, "keras")
    other = model._replace(encoder=EncoderSpec("vgg19", "torchvision"))
    with pytest.raises(ValueError, match="it would compute something else there"):
        export_encoder(other, tmp_path, "keras")
