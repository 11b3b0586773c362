import sys

import h5py
import numpy as np
import pytest

from styleflax.models.vgg import CAFFE_MEAN_BGR
from styleflax.weights.encoder import load_encoder
from styleflax.weights.published.keras_file import (
    dump_arrays,
    is_h5,
    load_arrays,
    load_shapes,
)
from styleflax.weights.published.mapping import read_part
from styleflax.weights.store import EncoderSpec


def split(state):
    """(layer, kernel or bias, array), in order."""
    return [(*name.split("/"), array) for name, array in state.items()]


def write_keras1(file, state):
    for layer, leaf, array in split(state):
        file[f"{layer}/{layer}_{'W' if leaf == 'kernel' else 'b'}_1:0"] = array


def write_keras2(file, state):
    for layer, leaf, array in split(state):
        file[f"{layer}/{layer}/{leaf}:0"] = array


def write_whole_model(file, state):
    for layer, leaf, array in split(state):
        file[f"model_weights/vgg/{layer}/{leaf}:0"] = array
        file[f"optimizer_weights/Adam/{layer}/{leaf}/m:0"] = array


def write_keras3(file, state):
    layers = list(dict.fromkeys(layer for layer, *_ in split(state)))
    for layer, leaf, array in split(state):
        index = layers.index(layer)
        group = f"layers/conv2d_{index}" if index else "layers/conv2d"
        file[f"{group}/vars/{int(leaf == 'bias')}"] = array
        file[f"{group}/vars"].attrs["name"] = layer


def write_keras30(file, state):
    write_keras3(file, state)
    for group in file["layers"].values():
        del group["vars"].attrs["name"]


LAYOUTS = [write_keras1, write_keras2, write_whole_model, write_keras3, write_keras30]


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("architecture", ["vgg16", "vgg19"])
def test_every_layout_of_keras_becomes_the_same_tree(
    tmp_path, make_state, layout, architecture
):
    state = make_state(f"Keras {architecture}")
    with h5py.File(tmp_path / "w", "w") as file:
        layout(file, state)
    params, spec, _ = load_encoder(tmp_path / "w")
    assert spec == EncoderSpec(architecture, "normalised")
    assert len(params) == 1 + len(state) // 2
    kernel = params["conv3_2"]["kernel"]
    np.testing.assert_array_equal(kernel, state["block3_conv2/kernel"])
    np.testing.assert_array_equal(params["conv5_1"]["bias"], state["block5_conv1/bias"])


def test_the_first_layer_does_what_keras_does_before_its_networks(tmp_path, make_state):
    (tmp_path / "w.h5").write_bytes(dump_arrays(make_state("Keras vgg16")))
    layer = read_part(tmp_path / "w.h5").params["preprocess"]
    rgb = np.array([0.2, 0.5, 0.9], np.float32)
    got = rgb @ layer["kernel"][0, 0] + layer["bias"]
    # keras.applications.imagenet_utils, mode "caffe": BGR in [0, 255] less the mean.
    np.testing.assert_allclose(got, 255 * rgb[::-1] - CAFFE_MEAN_BGR, rtol=1e-5)


def test_the_classifier_is_left_out(tmp_path, make_state):
    state = make_state("Keras vgg16")
    top = {f"{n}/kernel": np.zeros((4, 4)) for n in ("fc1", "fc2", "predictions")}
    (tmp_path / "w.h5").write_bytes(dump_arrays(state | top))
    assert len(read_part(tmp_path / "w.h5").params) == 14


def test_what_is_written_comes_back_equal(tmp_path, make_state):
    state = make_state("Keras vgg19")
    path = tmp_path / "w.h5"
    path.write_bytes(dump_arrays(state))
    assert is_h5(path)
    assert load_shapes(path) == {name: array.shape for name, array in state.items()}
    loaded = load_arrays(path, lambda _: True)
    for name, array in state.items():
        np.testing.assert_array_equal(loaded[name], array)
    assert list(load_arrays(path, lambda n: n == "block1_conv1/bias")) == [
        "block1_conv1/bias"
    ]


def test_keras_finds_its_lists_of_names(tmp_path, make_state):
    path = tmp_path / "w.h5"
    path.write_bytes(dump_arrays(make_state("Keras vgg16")))
    with h5py.File(path) as file:
        assert list(file.attrs["layer_names"])[:2] == [b"block1_conv1", b"block1_conv2"]
        names = list(file["block1_conv1"].attrs["weight_names"])
        assert names == [b"block1_conv1/kernel:0", b"block1_conv1/bias:0"]
        assert file["block1_conv1"][names[0]].shape == (3, 3, 3, 2)


def test_a_file_that_lacks_layers_lists_them(tmp_path, make_state):
    state = make_state("Keras vgg16")
    del state["block2_conv1/bias"]
    (tmp_path / "w.h5").write_bytes(dump_arrays(state))
    with pytest.raises(
        ValueError, match=r"Keras vgg16 .* 1 missing: block2_conv1/bias"
    ):
        read_part(tmp_path / "w.h5")


def test_two_tensors_of_one_name_are_refused(tmp_path, make_state):
    with h5py.File(tmp_path / "w.h5", "w") as file:
        write_keras2(file, make_state("Keras vgg16"))
        file["copy/block1_conv1/kernel:0"] = np.zeros(3)
    with pytest.raises(ValueError, match="two tensors block1_conv1/kernel"):
        read_part(tmp_path / "w.h5")


def test_values_outside_of_the_file_are_not_followed(tmp_path, make_state):
    state = make_state("Keras vgg16")
    secret = tmp_path / "secret"
    secret.write_bytes(bytes(8))
    del state["block1_conv1/bias"]
    path = tmp_path / "w.h5"
    with h5py.File(path, "w") as file:
        write_keras2(file, state)
        file.create_dataset(
            "block1_conv1/block1_conv1/bias:0", (2,), "f4", external=[(secret, 0, 8)]
        )
    with pytest.raises(ValueError, match="block1_conv1/bias is not a plain array"):
        read_part(path)
    with h5py.File(path, "a") as file:
        del file["block1_conv1/block1_conv1/bias:0"]
        file["block1_conv1/block1_conv1/bias:0"] = h5py.ExternalLink(secret, "/x")
    with pytest.raises(ValueError, match="1 missing: block1_conv1/bias"):
        read_part(path)


def test_a_shape_that_fills_no_file_is_not_allocated(tmp_path, make_state):
    state = make_state("Keras vgg16")
    del state["block1_conv1/bias"]
    with h5py.File(tmp_path / "w.h5", "w") as file:
        write_keras2(file, state)
        file.create_dataset("block1_conv1/block1_conv1/bias:0", (2**40,), "f4")
    with pytest.raises(ValueError, match=r"misshapen: block1_conv1/bias is \(1099511"):
        read_part(tmp_path / "w.h5")


def test_every_truncation_is_refused(tmp_path, make_state):
    path = tmp_path / "w.h5"
    whole = dump_arrays(make_state("Keras vgg16"))
    for end in range(8, len(whole), len(whole) // 20):
        path.write_bytes(whole[:end])
        with pytest.raises(ValueError, match="not a weight file of Keras"):
            read_part(path)


def test_without_h5py_the_command_that_installs_it_is_named(tmp_path, monkeypatch):
    (tmp_path / "w.h5").write_bytes(dump_arrays({"a/b": np.zeros(1)}))
    monkeypatch.setitem(sys.modules, "h5py", None)
    with pytest.raises(ImportError, match=r"pip install 'styleflax\[h5\]'"):
        read_part(tmp_path / "w.h5")
