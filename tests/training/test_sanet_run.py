"""SANet trained from an AdaIN model, by its own configuration made small."""

import dataclasses
import logging

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from styleflax import methods
from styleflax.cli.train import parse_arguments
from styleflax.inference.stylizer import Stylizer
from styleflax.methods.base import Variables
from styleflax.models.vgg import VGG
from styleflax.training import loop
from styleflax.training.checkpoint import leaf_digests, read_metrics
from styleflax.training.encoder import start_from
from styleflax.training.export import read_run
from styleflax.weights.store import load_model, save_model

# relu4_1 of a crop is 3x3: odd.
SMALL = """phases[0].steps=3 phases[0].batch_size=2 phases[0].crop_px=24
    phases[0].resize_px=32 phases[0].schedule.warmup_steps=1 encoder.num_images=2
    encoder.statistic=rms
    run.num_devices=1 run.checkpoint_every_steps=1 run.sample_every_steps=2
    run.tensorboard=false"""


WIDTH = 1 / 16
"""That of the model files."""


class KilledError(Exception):
    """Stands for a kill."""


@pytest.fixture(scope="module")
def config(model_path, sanet_path, write_picture, tmp_path_factory):
    folder = tmp_path_factory.mktemp("pictures")
    for seed in range(2):
        write_picture(folder / f"{seed}.png", 40, 40, seed=seed)
    fields = [
        *SMALL.split(),
        f"init_from={model_path}",
        f"encoder.weights={sanet_path}",
        f"data.content=image_folder:{folder}",
        f"data.style=image_folder:{folder}",
        f"data.data_dir={tmp_path_factory.mktemp('data')}",
    ]
    flags = [f"--config.{field}" for field in fields]
    made = parse_arguments(["--config=sanet", "--workdir=unused", *flags])[0]
    return dataclasses.replace(made, options={"native": True, "width": WIDTH})


@pytest.fixture(scope="module")
def run(config, shared_programs, tmp_path_factory):
    """A finished run: its folder and its last state."""
    workdir = tmp_path_factory.mktemp("run")
    return workdir, jax.device_get(loop.train(config, workdir))


def test_metrics_are_finite_and_hold_every_term(run):
    metrics = read_metrics(run[0])
    assert [values["step"] for values in metrics] == [1, 2, 3]
    terms = ("content", "style", "identity_pixels", "identity_features")
    for values in metrics:
        assert all(np.isfinite(values[f"{term}_loss"]) for term in terms)
        assert values["skipped_in_row"] == 0


def test_the_encoder_is_the_model_s_and_deeper(run, model_path, sanet_path):
    encoder, start = load_model(run[0] / "encoder.safetensors"), load_model(model_path)
    for name, layer in start.encoder_params.items():
        for leaf, array in layer.items():
            np.testing.assert_array_equal(encoder.encoder_params[name][leaf], array)
    image = jnp.asarray(np.random.default_rng(0).uniform(size=(1, 32, 32, 3)), "f4")

    def zeros(params):
        network = VGG.of_params(params, ("relu5_1",))
        features = jax.jit(network.apply)({"params": params}, image)["relu5_1"]
        return np.asarray(features) == 0

    # Rescaled filters fire where the originals do.
    agree = zeros(encoder.encoder_params) == zeros(
        load_model(sanet_path).encoder_params
    )
    assert agree.mean() > 0.99


def test_a_killed_run_ends_like_one_left_alone(config, run, tmp_path):
    def make_sampler(_method):
        def draw(*_):
            raise KilledError

        return draw

    with pytest.raises(KilledError):
        loop.train(config, tmp_path / "run", make_sampler)
    assert len(read_metrics(tmp_path / "run")) == 2
    state = jax.device_get(loop.train(config, tmp_path / "run"))
    assert leaf_digests(state) == leaf_digests(run[1])
    assert read_metrics(tmp_path / "run") == read_metrics(run[0])


def test_an_exported_run_stylizes_and_starts_another(config, run, tmp_path):
    path = tmp_path / "sanet.safetensors"
    save_model(path, read_run(run[0]), np.float32)
    content = np.random.default_rng(1).integers(0, 256, (33, 25, 3), np.uint8)
    image = Stylizer.load(path)(content, content[::-1], level_balance=0.3).array
    assert image.shape == content.shape
    assert np.isfinite(image).all()
    again = start_from(str(path), "sanet", run[1].variables)
    for a, b in zip(
        jax.tree.leaves(again.players),
        jax.tree.leaves(run[1].variables.players),
        strict=True,
    ):
        np.testing.assert_array_equal(a, b)


@pytest.fixture(scope="module")
def zeros():
    method = methods.build("sanet", width=WIDTH)
    shapes = jax.eval_shape(method.init, jax.random.key(0))
    return jax.tree.map(lambda leaf: np.zeros(leaf.shape, np.float32), shapes)


def test_a_start_from_adain_takes_its_decoder_alone(zeros, model_path, caplog):
    caplog.set_level(logging.INFO)
    begun = start_from(str(model_path), "sanet", zeros).players["model"]
    decoder = load_model(model_path).players["model"]
    assert begun.keys() == zeros.players["model"].keys()
    for name, layer in begun.items():
        source = decoder.get(name, zeros.players["model"][name])
        for a, b in zip(jax.tree.leaves(layer), jax.tree.leaves(source), strict=True):
            np.testing.assert_array_equal(a, b)
    assert "conv1_1, conv1_2" in caplog.text
    assert f"begins as in {model_path}" in caplog.text


def test_a_start_from_what_does_not_fit_is_refused(zeros, sanet_path, model_path):
    adain = {name: zeros.players["model"][name] for name in ("conv1_1", "conv1_2")}
    with pytest.raises(ValueError, match="'sanet', as a start of 'adain' does not fit"):
        start_from(str(sanet_path), "adain", Variables({"model": adain}, {}))
    narrow = {**zeros.players["model"], "conv1_1": {"bias": np.zeros(5)}}
    with pytest.raises(ValueError, match=r"does not fit: .*conv1_1/bias is"):
        start_from(str(model_path), "sanet", Variables({"model": narrow}, {}))


def test_an_encoder_of_another_kind_cannot_be_made_deeper(
    config, make_model_file, tmp_path
):
    file = make_model_file("adain")
    turned = {
        name: {k: np.flip(v) for k, v in layer.items()}
        for name, layer in file.encoder_params.items()
    }
    path = tmp_path / "other.safetensors"
    save_model(path, file._replace(encoder_params=turned))
    other = dataclasses.replace(config, init_from=str(path))
    message = "ends before relu5_1 and cannot be extended from encoder.weights='.*sanet"
    with pytest.raises(ValueError, match=message):
        loop.train(other, tmp_path / "run")
