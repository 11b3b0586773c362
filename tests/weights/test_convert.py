import dataclasses
import json

import numpy as np
import pytest

from styleflax import methods
from styleflax.files import file_sha256
from styleflax.methods.model import build_model
from styleflax.presets import PRESETS
from styleflax.weights.encoder import load_encoder
from styleflax.weights.published import formats
from styleflax.weights.published.convert import DEEPEST_LAYERS, convert_files
from styleflax.weights.store import EncoderSpec, load_model, save_model


@pytest.fixture
def files(tmp_path, write_zip, make_state):
    """A narrow file of every PyTorch format, under names that say nothing."""
    names = {
        "vgg": "vgg_normalised",
        "decoder": "decoder",
        "transformer": "SANet transformer",
        "vgg16": "torchvision vgg16",
        "vgg19": "torchvision vgg19",
    }
    paths = {key: tmp_path / f"{i}.bin" for i, key in enumerate(names)}
    for key, name in names.items():
        write_zip(paths[key], make_state(name))
    return paths


@pytest.mark.parametrize("method", DEEPEST_LAYERS)
def test_the_encoder_reaches_what_each_method_needs(method):
    assert DEEPEST_LAYERS[method] == methods.build(method).encoder_layers[-1]


def test_encoder_and_decoder_make_adain(files):
    model = convert_files([files["decoder"], files["vgg"]])
    assert model.method == "adain"
    assert model.encoder == EncoderSpec("vgg19", "normalised")
    assert next(iter(model.encoder_params)) == "preprocess"
    assert list(model.encoder_params)[-1] == "conv4_1"
    assert model.players.keys() == {"model"}
    assert list(model.players["model"]) == list(formats.DECODER_LAYERS)


def test_with_a_transformer_they_make_sanet(files):
    model = convert_files([files["transformer"], files["vgg"], files["decoder"]])
    assert model.method == "sanet"
    assert list(model.encoder_params)[-1] == "conv5_1"
    blocks = {"sanet4_1", "sanet5_1", "merge_conv"}
    assert model.players["model"].keys() == {*formats.DECODER_LAYERS} | blocks
    assert model.players["model"]["sanet4_1"].keys() == {"f", "g", "h", "out_conv"}


def test_an_encoder_alone_stays_whole_and_serves_as_encoder(files, tmp_path):
    model = convert_files([files["vgg"]])
    assert (model.method, model.players) == ("encoder", {})
    save_model(tmp_path / "e.safetensors", model, np.float32)
    params, spec, _ = load_encoder(tmp_path / "e.safetensors")
    assert spec == EncoderSpec("vgg19", "normalised")
    assert "conv5_4" in params
    again = convert_files([tmp_path / "e.safetensors", files["decoder"]])
    assert again.method == "adain"
    with pytest.raises(ValueError, match="has only an encoder and no method"):
        build_model(load_model(tmp_path / "e.safetensors"))


@pytest.mark.parametrize("preset", [None, *PRESETS])
def test_the_arithmetic_is_that_of_the_preset(files, preset, tmp_path):
    needed = ["vgg", "decoder"]
    name = preset or "adain-naoto"
    if PRESETS[name].method == "sanet":
        needed.append("transformer")
    model = convert_files([files[key] for key in needed], preset)
    assert model.arithmetic == dataclasses.asdict(PRESETS[name].arithmetic)
    assert model.provenance["preset"] == name
    assert model.provenance["losses"] == dict(PRESETS[name].losses)
    save_model(tmp_path / "m.safetensors", model)
    assert load_model(tmp_path / "m.safetensors").arithmetic == model.arithmetic


def test_sanet_takes_its_public_preset_by_itself(files):
    model = convert_files([files[key] for key in ("vgg", "decoder", "transformer")])
    assert model.provenance["preset"] == "sanet-public"


def test_the_sources_are_kept_with_their_digests(files):
    sources = convert_files([files["vgg"], files["decoder"]]).provenance["sources"]
    assert [source["role"] for source in sources] == ["encoder", "decoder"]
    assert sources[1] == {
        "role": "decoder",
        "file": files["decoder"].name,
        "format": "decoder",
        "sha256": file_sha256(files["decoder"]),
    }
    assert str(files["decoder"].parent) not in json.dumps(sources)


@pytest.mark.parametrize(
    ("keys", "preset", "message"),
    [
        ([], None, "no files to convert"),
        (["decoder"], None, r"do not make a model: give also the encoder .*vgg_norm"),
        (["transformer", "vgg"], None, r"give also its decoder"),
        (["transformer"], None, r"give also the encoder .* and its decoder"),
        (["decoder", "decoder"], None, "each hold one decoder, and a model has one"),
        (["vgg", "vgg19"], None, "each hold one encoder, and a model has one"),
        (["vgg19", "decoder"], None, "torchvision vgg19 weights, and published deco"),
        (["vgg16", "decoder"], None, "torchvision vgg16 weights, and published deco"),
        (["vgg", "decoder"], "adain", "preset must be one of adain-naoto"),
        (["vgg", "decoder"], "sanet-public", "is for sanet, and the given files make"),
        (["vgg"], "adain-lua", "is for adain, and the given files are an encoder"),
    ],
)
def test_files_that_make_no_model_are_refused(files, keys, preset, message):
    with pytest.raises(ValueError, match=message):
        convert_files([files[key] for key in keys], preset)


@pytest.mark.parametrize(("extra", "layer"), [((), "4_1"), (("transformer",), "5_1")])
def test_an_encoder_that_ends_too_early_is_refused(
    files, write_zip, make_state, extra, layer
):
    num_convs = {"4_1": 8, "5_1": 12}[layer]
    whole = list(make_state("vgg_normalised").items())
    write_zip(files["vgg"], dict(whole[: 2 + 2 * num_convs]))
    message = f"does not reach relu{layer}, which .* needs: it lacks conv{layer}"
    with pytest.raises(ValueError, match=message):
        convert_files([files[key] for key in ("vgg", "decoder", *extra)])


def test_an_own_encoder_of_another_width_is_refused(files, tmp_path):
    model = convert_files([files["vgg"]])
    params = {**model.encoder_params, "conv4_1": model.encoder_params["conv3_1"]}
    save_model(tmp_path / "e.safetensors", model._replace(encoder_params=params))
    with pytest.raises(ValueError, match="misshapen: conv4_1/bias is"):
        convert_files([tmp_path / "e.safetensors", files["decoder"]])


def test_an_own_encoder_of_an_unknown_kind_is_refused(files, tmp_path):
    model = convert_files([files["vgg"]])
    odd = model._replace(encoder=EncoderSpec("vgg13", "normalised"))
    save_model(tmp_path / "e.safetensors", odd)
    with pytest.raises(ValueError, match="holds an unknown encoder"):
        convert_files([tmp_path / "e.safetensors", files["decoder"]])


@pytest.mark.parametrize("method", ["adain", "sanet"])
def test_published_files_of_true_size_run(tmp_path, write_zip, method):
    tensors = {"vgg_normalised": 34, "decoder": 18, "SANet transformer": 18}
    if method == "adain":
        tensors = {"vgg_normalised": 20, "decoder": 18}
    for name, num_tensors in tensors.items():
        entries = formats.find_format(name).entries[:num_tensors]
        state = {entry.name: np.zeros(entry.shape, np.float32) for entry in entries}
        write_zip(tmp_path / name, state)
    model = convert_files([tmp_path / name for name in tensors])
    assert model.method == method
    built = build_model(model)
    assert built.frozen["encoder"].keys() == model.encoder_params.keys()
