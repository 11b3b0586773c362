import numpy as np
import pytest

from styleflax.models.vgg import conv_names
from styleflax.weights.encoder import load_encoder
from styleflax.weights.store import (
    ENCODER_ONLY,
    EncoderSpec,
    ModelFile,
    find_model,
    load_model,
    save_model,
)


@pytest.mark.parametrize("architecture", ["vgg16", "vgg19"])
def test_a_torchvision_file_becomes_the_tree(
    tmp_path, write_torch, make_state, architecture
):
    state = make_state(f"torchvision {architecture}")
    classifier = {"classifier.0.weight": np.zeros((7, 7), np.float32)}
    write_torch(tmp_path / "a.pth", state | classifier)
    params, spec, _ = load_encoder(tmp_path / "a.pth")
    assert spec == EncoderSpec(architecture, "torchvision")
    assert tuple(params) == conv_names(architecture)
    position = "features.16" if architecture == "vgg19" else "features.17"
    name = "conv3_4" if architecture == "vgg19" else "conv4_1"
    kernel, bias = params[name]["kernel"], params[name]["bias"]
    expected = state[f"{position}.weight"]
    np.testing.assert_array_equal(kernel[1, 2, 3, 0], expected[0, 3, 1, 2])
    np.testing.assert_array_equal(kernel.transpose(3, 2, 0, 1), expected)
    np.testing.assert_array_equal(bias, state[f"{position}.bias"])


def test_a_decoder_is_no_encoder(tmp_path, write_zip, make_state):
    write_zip(tmp_path / "a.pth", make_state("decoder"))
    with pytest.raises(ValueError, match=r"a\.pth holds a decoder, no encoder"):
        load_encoder(tmp_path / "a.pth")


def test_an_error_names_the_file(tmp_path, write_zip):
    write_zip(tmp_path / "resnet.pth", {"x.weight": np.zeros((2, 2, 1, 1), np.float32)})
    with pytest.raises(ValueError, match=r"resnet\.pth is of no known format"):
        load_encoder(tmp_path / "resnet.pth")


def test_vgg16_needs_no_download():
    params, spec, _ = load_encoder("vgg16")
    assert spec == EncoderSpec("vgg16", "torchvision")
    assert tuple(params) == conv_names("vgg16")


def test_vgg19_names_the_command_when_it_is_absent(tmp_path):
    with pytest.raises(FileNotFoundError, match="styleflax weights fetch vgg19"):
        load_encoder("vgg19", tmp_path)


def test_an_unknown_name_lists_the_known_ones():
    with pytest.raises(
        FileNotFoundError, match=r"neither a file nor one of adain.*, vgg16, vgg19"
    ):
        load_encoder("vgg13")


def test_a_packaged_model_s_name_stands_for_its_encoder():
    params, spec, is_trained_on = load_encoder("adain")
    model = load_model(find_model("adain"))
    assert (spec, is_trained_on) == (model.encoder, True)
    assert params.keys() == model.encoder_params.keys()
    for name, layer in params.items():
        for leaf, array in layer.items():
            np.testing.assert_array_equal(array, model.encoder_params[name][leaf])


def test_only_the_encoder_of_a_trained_model_counts_as_trained_on(tmp_path):
    spec = EncoderSpec("vgg16", "torchvision")
    params = {"conv1_1": {"kernel": np.ones((3, 3, 3, 2)), "bias": np.zeros(2)}}
    path = tmp_path / "m.safetensors"
    for method, expected in (("adain", True), (ENCODER_ONLY, False)):
        save_model(path, ModelFile(method, spec, params, {}, {}, {}, {}))
        assert load_encoder(path).is_trained_on == expected
    assert not load_encoder("vgg16").is_trained_on


def test_the_encoder_of_a_model_file_can_be_taken(tmp_path):
    params = {"conv1_1": {"kernel": np.ones((3, 3, 3, 2)), "bias": np.zeros(2)}}
    spec = EncoderSpec("vgg19", "normalised")
    model = ModelFile("adain", spec, params, {"model": {}}, {}, {}, {})
    save_model(tmp_path / "m.safetensors", model)
    loaded, loaded_spec, _ = load_encoder(tmp_path / "m.safetensors")
    assert loaded_spec == spec
    np.testing.assert_array_equal(loaded["conv1_1"]["kernel"], np.ones((3, 3, 3, 2)))
