"""Narrow networks by the public option, and an encoder that is trained."""

import dataclasses

import jax
import jaxtyping
import numpy as np
import pytest

from styleflax import methods
from styleflax.config import Config, Data, Encoder, Phase, Run, Schedule
from styleflax.inference.stylizer import Stylizer
from styleflax.methods.model import build_model
from styleflax.models.vgg import scale_widths
from styleflax.training import loop
from styleflax.training.checkpoint import leaf_digests, read_metrics
from styleflax.training.encoder import open_encoder, start_from, with_encoder
from styleflax.training.export import read_run
from styleflax.training.phases import build_methods
from styleflax.training.sources import open_sources
from styleflax.weights.store import load_model, save_model

WIDTH = 1 / 32
TERMS = {"adain": {"identity_features": 1.0}, "sanet": {"identity_pixels": 5.0}}


class KilledError(Exception):
    """Stands for a kill."""


@pytest.fixture(scope="module")
def make_config(write_picture, tmp_path_factory):
    """`make_config(method, **options)`: three steps of a narrow network."""
    folder = tmp_path_factory.mktemp("pictures")
    for seed in range(2):
        write_picture(folder / f"{seed}.png", 40, 40, seed=seed)

    def make(method, **options):
        losses = {"content": 1.0, "style": 1.0, **TERMS[method]}
        schedule = Schedule(learning_rate=1e-3)
        return Config(
            method=method,
            options={"width": WIDTH, **options},
            encoder=Encoder(weights="random", num_images=2),
            data=Data(f"pictures:{folder / '0.png'}", f"pictures:{folder / '1.png'}"),
            phases=(Phase(3, 2, 16, 24, losses, schedule),),
            run=Run(
                num_devices=1,
                log_every_steps=1,
                checkpoint_every_steps=1,
                sample_every_steps=2,
                tensorboard=False,
            ),
        )

    return make


@pytest.fixture(scope="module", params=["adain", "sanet"])
def run(request, make_config, shared_programs, tmp_path_factory):
    """The configuration of a finished run, its folder and its last state."""
    config = make_config(request.param, encoder="trained")
    workdir = tmp_path_factory.mktemp("run")
    return config, workdir, jax.device_get(loop.train(config, workdir))


def leaves(params):
    return np.concatenate([np.ravel(leaf) for leaf in jax.tree.leaves(params)])


def test_the_encoder_is_trained_from_what_judges_it(run):
    _, workdir, state = run
    judge = load_model(workdir / "encoder.safetensors").encoder_params
    trained = state.variables.players["model"]["encoder"]
    widths = scale_widths(WIDTH)
    for name, layer in trained.items():
        assert layer["kernel"].shape[-1] == widths[int(name[4]) - 1]
        moved = np.abs(layer["kernel"] - judge[name]["kernel"]).max()
        assert 0 < moved < 0.01  # in three steps of Adam at 1e-3
    assert trained.keys() == judge.keys()


def test_it_begins_with_the_losses_of_the_frozen_one(run, make_config, tmp_path):
    config, workdir, _ = run
    frozen = make_config(config.method)
    loop.train(frozen, tmp_path)
    one, other = (read_metrics(path) for path in (workdir, tmp_path))
    for name, value in other[0].items():
        if name.endswith("_loss"):
            assert one[0][name] == pytest.approx(value, rel=1e-5)
    assert one[2]["loss"] != pytest.approx(other[2]["loss"], rel=1e-6)
    assert read_run(tmp_path).options == {"width": WIDTH}


def test_a_killed_run_ends_like_one_left_alone(run, tmp_path):
    config, workdir, state = run

    def make_sampler(_method):
        def draw(*_):
            raise KilledError

        return draw

    with pytest.raises(KilledError):
        loop.train(config, tmp_path, make_sampler)
    again = jax.device_get(loop.train(config, tmp_path))
    assert leaf_digests(again) == leaf_digests(state)
    assert read_metrics(tmp_path) == read_metrics(workdir)


def test_its_model_file_is_one_like_any_other(run, write_picture, tmp_path):
    config, workdir, state = run
    file = read_run(workdir)
    trained = state.variables.players["model"]["encoder"]
    np.testing.assert_array_equal(leaves(file.encoder_params), leaves(trained))
    assert "encoder" not in file.players["model"]
    assert file.options == {"width": WIDTH}
    assert file.provenance["encoder"]["trained"]
    path = tmp_path / "model.safetensors"
    save_model(path, file)
    write_picture(tmp_path / "a.png")
    stylizer = Stylizer.load(path)
    made = stylizer(tmp_path / "a.png", tmp_path / "a.png").array
    stylizer.save_style(tmp_path / "a.png", tmp_path / "a.style")
    kept = stylizer(tmp_path / "a.png", tmp_path / "a.style").array
    np.testing.assert_allclose(kept, made, atol=2e-3)
    again = start_again(config, path, tmp_path)
    np.testing.assert_allclose(
        leaves(again.players["model"]["encoder"]), leaves(trained), rtol=1e-3, atol=1e-4
    )


def start_again(config, path, folder):
    """The variables with which another run begins from the file."""
    config = dataclasses.replace(config, init_from=str(path))
    method = build_methods(config)[0]
    encoder = open_encoder(config, method, folder, open_sources(config))
    variables = with_encoder(method, encoder).init(jax.random.key(0))
    judge = variables.players["model"]["encoder"]
    np.testing.assert_array_equal(leaves(judge), leaves(encoder.encoder_params))
    return start_from(str(path), config.method, variables, trains_encoder=True)


def test_an_encoder_of_another_width_is_refused(make_config, tmp_path):
    config = make_config("adain")
    config = dataclasses.replace(config, encoder=Encoder(weights="adain"))
    method = build_methods(config)[0]
    message = (
        r"'adain' must have 4 channels at conv1_1 .*got 64.*encoder.weights=random"
    )
    with pytest.raises(ValueError, match=message):
        open_encoder(config, method, tmp_path, None)
    config = dataclasses.replace(config, init_from="adain")
    with pytest.raises(ValueError, match="encoder of adain must have 4 channels"):
        open_encoder(config, method, tmp_path, None)


def test_a_model_file_of_another_width_is_refused(monkeypatch, run):
    file = read_run(run[1])
    with pytest.raises(ValueError, match="does not fit"):
        build_model(file._replace(options={"width": 2 * WIDTH}))
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)
    with pytest.raises(ValueError, match="width must be a number, got 'wide'"):
        build_model(file._replace(options={"width": "wide"}))
    for width in (0, -1.0, 100):
        with pytest.raises(ValueError, match="width must be above 0 and at most 8"):
            build_model(file._replace(options={"width": width}))
    with pytest.raises(ValueError, match=r"options \['encoder'\] are unknown"):
        build_model(file._replace(options={"width": WIDTH, "encoder": "trained"}))


@pytest.mark.parametrize("name", ["adain", "sanet"])
def test_another_word_for_the_encoder_is_refused(monkeypatch, name):
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)
    with pytest.raises(ValueError, match=r"encoder must be one of .*got 'free'"):
        methods.build(name, encoder="free")
