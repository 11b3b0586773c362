import numpy as np
import pytest

from styleflax.models.vgg import DEPTHS, WIDTHS, conv_names
from styleflax.weights import encoder
from styleflax.weights.encoder import convert_torch_vgg, load_encoder
from styleflax.weights.registry import EncoderSpec
from styleflax.weights.store import ModelFile, save_model


def make_state(architecture, *, prefix="features.", normalised=False):
    """Random weights under the names of torchvision's Sequential."""
    rng = np.random.default_rng(0)
    state, index, channels = {}, 0, 3

    def add(out, size):
        shape = (out, channels, size, size)
        state[f"{prefix}{index}.weight"] = rng.normal(size=shape).astype(np.float32)
        state[f"{prefix}{index}.bias"] = rng.normal(size=out).astype(np.float32)

    if normalised:
        add(3, 1)
        index += 2
    for width, depth in zip(WIDTHS, DEPTHS[architecture], strict=True):
        for _ in range(depth):
            add(width, 3)
            channels = width
            index += 2
        index += 1
    return state


@pytest.fixture
def narrow(monkeypatch):
    """Networks of a few channels, so that the tests are fast."""
    monkeypatch.setattr(encoder, "WIDTHS", (2, 3, 4, 5, 5))
    monkeypatch.setitem(globals(), "WIDTHS", (2, 3, 4, 5, 5))


@pytest.mark.usefixtures("narrow")
@pytest.mark.parametrize("architecture", ["vgg16", "vgg19"])
def test_a_torchvision_file_becomes_the_tree(tmp_path, write_torch, architecture):
    state = make_state(architecture)
    classifier = {"classifier.0.weight": np.zeros((7, 7), np.float32)}
    write_torch(tmp_path / "a.pth", state | classifier)
    params, spec = load_encoder(tmp_path / "a.pth")
    assert spec == EncoderSpec(architecture, "torchvision")
    assert tuple(params) == conv_names(architecture)
    position = "features.16" if architecture == "vgg19" else "features.17"
    name = "conv3_4" if architecture == "vgg19" else "conv4_1"
    kernel, bias = params[name]["kernel"], params[name]["bias"]
    expected = state[f"{position}.weight"]
    np.testing.assert_array_equal(kernel[1, 2, 3, 0], expected[0, 3, 1, 2])
    np.testing.assert_array_equal(kernel.transpose(3, 2, 0, 1), expected)
    np.testing.assert_array_equal(bias, state[f"{position}.bias"])


@pytest.mark.usefixtures("narrow")
def test_the_normalised_vgg19_is_told_by_its_first_layer():
    state = make_state("vgg19", prefix="", normalised=True)
    params, spec = convert_torch_vgg(state)
    assert spec == EncoderSpec("vgg19", "normalised")
    assert tuple(params) == ("preprocess", *conv_names("vgg19"))
    kernel = params["preprocess"]["kernel"]
    np.testing.assert_array_equal(kernel[0, 0].T, state["0.weight"][:, :, 0, 0])


@pytest.mark.usefixtures("narrow")
def test_a_file_that_ends_early_gives_the_layers_it_has():
    state = make_state("vgg19")
    cut = {name: state[name] for name in list(state)[:18]}
    params, spec = convert_torch_vgg(cut)
    assert spec.architecture == "vgg19"
    assert tuple(params) == conv_names("vgg19")[:9]


@pytest.mark.usefixtures("narrow")
@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda s: s.pop("features.2.bias"), r"lacks \['features.2.weight'\]"),
        (lambda s: s.pop("features.5.weight"), "neither a VGG-16 nor a VGG-19"),
        (lambda s: s.update({"features.0.bias": np.zeros(9)}), "another size"),
        (lambda s: s.update({"features.1.running_mean": np.zeros(2)}), "batch norm"),
        (lambda s: s.update({"a.weight": np.zeros((2, 2, 3, 3))}), "not a convolution"),
        (lambda s: s.clear(), "lacks convolutions"),
    ],
)
def test_other_networks_are_refused(change, message):
    state = make_state("vgg16")
    change(state)
    with pytest.raises(ValueError, match=message):
        convert_torch_vgg(state)


@pytest.mark.usefixtures("narrow")
def test_an_error_names_the_file(tmp_path, write_zip):
    write_zip(tmp_path / "resnet.pth", {"x.weight": np.zeros((2, 2, 1, 1), np.float32)})
    with pytest.raises(ValueError, match=r"resnet\.pth: 'x\.weight' is not"):
        load_encoder(tmp_path / "resnet.pth")


def test_vgg16_needs_no_download():
    params, spec = load_encoder("vgg16")
    assert spec == EncoderSpec("vgg16", "torchvision")
    assert tuple(params) == conv_names("vgg16")


def test_vgg19_names_the_command_when_it_is_absent(tmp_path):
    with pytest.raises(FileNotFoundError, match="styleflax weights fetch vgg19"):
        load_encoder("vgg19", tmp_path)


def test_an_unknown_name_lists_the_known_ones():
    with pytest.raises(
        FileNotFoundError, match="neither a file nor one of vgg16, vgg19"
    ):
        load_encoder("vgg13")


def test_the_encoder_of_a_model_file_can_be_taken(tmp_path):
    params = {"conv1_1": {"kernel": np.ones((3, 3, 3, 2)), "bias": np.zeros(2)}}
    spec = EncoderSpec("vgg19", "normalised")
    model = ModelFile("adain", spec, params, {"model": {}}, {}, {}, {})
    save_model(tmp_path / "m.safetensors", model)
    loaded, loaded_spec = load_encoder(tmp_path / "m.safetensors")
    assert loaded_spec == spec
    np.testing.assert_array_equal(loaded["conv1_1"]["kernel"], np.ones((3, 3, 3, 2)))
