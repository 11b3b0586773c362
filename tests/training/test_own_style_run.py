"""Runs of methods whose styles are their own, from pictures to model files."""

import dataclasses

import jax
import numpy as np
import pytest
from own_styles import SMALL, make_stylizer, random_encoder

from styleflax.config import Config, Data, Phase, Run, Schedule
from styleflax.inference.samples import make_sampler
from styleflax.ops.color_match import TO_CHROMA
from styleflax.training import loop
from styleflax.training.checkpoint import leaf_digests, read_metrics
from styleflax.training.export import read_run
from styleflax.weights.store import EncoderSpec, ModelFile, load_model, save_model


class KilledError(Exception):
    """Stands for a kill."""


@pytest.fixture(scope="module")
def make_config(write_picture, tmp_path_factory):
    """`make(method, styles, **options)`: three steps on two pictures of each kind."""
    folder = tmp_path_factory.mktemp("pictures")
    for seed in range(2):
        write_picture(folder / "photos" / f"{seed}.png", 30, 40, seed=seed)
        write_picture(folder / "paintings" / f"{'ab'[seed]}.png", 28, 24, seed=7 + seed)

    def make(method, styles, **options):
        source = folder / "paintings"
        source = source if len(styles) > 1 else source / f"{styles[0]}.png"
        schedule = Schedule("cosine", 1e-2)
        return Config(
            method=method,
            options={"styles": styles, "native": True, **SMALL, **options},
            data=Data(
                f"pictures:{folder / 'photos'}", f"pictures:{source}", style_px=24
            ),
            phases=(Phase(3, 2, 16, 24, {"content": 1.0, "gram": 1.0}, schedule),),
            run=Run(
                num_devices=1,
                checkpoint_every_steps=1,
                sample_every_steps=2,
                tensorboard=False,
            ),
        )

    return make


def trained(config, workdir, make_sampler=None):
    """The last state; the encoder is a random one."""
    path = workdir / "encoder.safetensors"
    if not path.exists() and not config.init_from:
        spec = EncoderSpec("vgg16", "torchvision")
        encoder = random_encoder()
        workdir.mkdir(parents=True, exist_ok=True)
        file = ModelFile(config.method, spec, encoder, {}, {}, {}, {})
        save_model(path, file, dtype=np.float32)
    return jax.device_get(loop.train(config, workdir, make_sampler))


@pytest.fixture(scope="module")
def cin(make_config, shared_programs, tmp_path_factory):
    """A finished run of two styles: configuration, folder, last state."""
    config = make_config("cin", ["a", "b"])
    workdir = tmp_path_factory.mktemp("cin")
    return config, workdir, trained(config, workdir, make_sampler)


@pytest.fixture(scope="module")
def cin_path(cin, tmp_path_factory):
    """The model file of that run."""
    path = tmp_path_factory.mktemp("model") / "cin.safetensors"
    save_model(path, read_run(cin[1]), dtype=np.float32)
    return path


def assert_same(one, other):
    jax.tree.map(np.testing.assert_array_equal, one, other)


def test_every_step_of_many_styles_is_finite_and_has_its_terms(cin):
    metrics = read_metrics(cin[1])
    assert [values["step"] for values in metrics] == [1, 2, 3]
    for values in metrics:
        assert np.isfinite([values["content_loss"], values["gram_loss"]]).all()
        assert values["skipped"] == 0
    assert len(list((cin[1] / "samples").glob("*.png"))) == 2


def test_a_killed_run_of_many_styles_ends_like_one_left_alone(cin, tmp_path):
    def killing(_method):
        def draw(*_):
            raise KilledError

        return draw

    config, _, alone = cin
    with pytest.raises(KilledError):
        trained(config, tmp_path / "run", killing)
    assert len(read_metrics(tmp_path / "run")) == 2
    assert leaf_digests(trained(config, tmp_path / "run")) == leaf_digests(alone)


def test_a_model_file_holds_its_styles_and_makes_their_pictures(cin, cin_path):
    file = load_model(cin_path)
    assert file.options["styles"] == ["a", "b"]
    assert file.options["width"] == 0.05
    assert_same(file.players, cin[2].variables.players)
    stylizer = make_stylizer(file, "cin")
    photo = np.full((17, 20, 3), 128, np.uint8)
    one, other = (stylizer(photo, name).array for name in "ab")
    assert one.shape == (17, 20, 3)
    assert np.abs(one - other).max() > 0
    # The style pictures' palettes are in the file, which turns the color step on.
    assert file.defaults == {"color_match": 1.0}
    assert file.palettes.keys() == {"a", "b"}

    def distance(image, name):
        wanted = np.ravel(file.palettes[name]["mean"])
        return np.abs(TO_CHROMA @ (image.mean(axis=(0, 1)) - wanted)).max()

    for made, name in ((one, "a"), (other, "b")):
        plain = stylizer(photo, name, color_match=0).array
        assert distance(made, name) < 0.5 * distance(plain, name)


def test_a_new_style_moves_its_own_tree_and_nothing_else(
    make_config, cin_path, tmp_path
):
    config = make_config("cin_style", ["b"])
    config = dataclasses.replace(config, init_from=str(cin_path))
    state = trained(config, tmp_path / "run")
    before = load_model(cin_path)
    assert state.variables.players.keys() == {"model"}
    tables = state.variables.players["model"]
    start = before.players["model"]["styles"]
    assert tables.keys() == start.keys()
    for name in ("residual1_1", "conv_out"):
        assert (tables[name]["beta"] != start[name]["beta"].mean(axis=0)).any()
    made = read_run(tmp_path / "run")
    assert_same(made.players["network"], before.players["model"]["network"])
    assert_same(made.encoder_params, before.encoder_params)
    assert_same(made.players["model"], tables)
    assert made.options["styles"] == ["b"]


def test_a_new_style_needs_a_model_to_begin_from(make_config, tmp_path):
    with pytest.raises(ValueError, match="init_from"):
        loop.train(make_config("cin_style", ["b"]), tmp_path / "run")


def test_a_model_of_one_style_keeps_its_batch_statistics(make_config, tmp_path):
    config = make_config("johnson", ["a"], norm="batch", padding="mirror")
    state = trained(config, tmp_path / "run")
    save_model(tmp_path / "one.safetensors", read_run(tmp_path / "run"))
    file = load_model(tmp_path / "one.safetensors")
    assert file.options["norm"] == "batch"
    halves = jax.tree.map(
        lambda x: x.astype(np.float16).astype(np.float32), state.variables.state
    )
    assert_same(file.state, halves)
    assert (halves["conv1_norm"]["mean"] != 0).all()
    photo = np.full((17, 20, 3), 128, np.uint8)
    assert make_stylizer(file, "one")(photo).array.shape == photo.shape


@pytest.mark.parametrize(
    ("styles", "style_px", "message"),
    [(["a", "b", "c"], 24, "names 3 styles.*2 pictures"), (["a", "b"], 0, "style_px")],
)
def test_pictures_that_are_not_the_styles_are_refused(
    make_config, tmp_path, styles, style_px, message
):
    config = make_config("cin", styles)
    config.data.style_px = style_px
    with pytest.raises(ValueError, match=message):
        trained(config, tmp_path / "run")
