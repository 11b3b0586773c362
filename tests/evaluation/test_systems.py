from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from styleflax import methods
from styleflax.evaluation.inputs import BoundedCache, Pair, load_inputs
from styleflax.evaluation.measure import peak_memory
from styleflax.evaluation.scoring import list_keys
from styleflax.evaluation.systems import (
    BASELINES,
    make_baselines,
    make_model_system,
    make_outputs_system,
    make_training_losses,
)
from styleflax.images.files import save_image, to_float, to_u8
from styleflax.inference.styles import encode as style_pixels
from styleflax.inference.stylizer import Stylizer
from styleflax.methods.base import Method, Variables
from styleflax.methods.model import Model, build_model
from styleflax.ops.color import coral_recolor
from styleflax.weights.store import EncoderSpec, ModelFile

SIZE_PX = 64  # as elsewhere here: programs are compiled once


@pytest.fixture(scope="module")
def inputs(folders):
    """A content and a style."""
    return load_inputs(folders[0], SIZE_PX)[1], load_inputs(folders[1], SIZE_PX)[0]


@pytest.fixture(scope="module")
def model(model_file):
    return build_model(model_file)


def test_baselines_are_the_inputs_and_the_recolored_content(inputs):
    content, style = inputs
    made = {s.name: s.make(content, style, None) for s in make_baselines()}
    assert tuple(made) == BASELINES
    np.testing.assert_array_equal(made["content"].picture, content.picture)
    np.testing.assert_array_equal(made["style"].picture, style.picture)
    coral = jax.jit(coral_recolor)(content.picture[None], style.picture[None])[0]
    np.testing.assert_array_equal(made["coral"].picture, to_float(to_u8(coral)))
    assert made["style"].source.as_posix() == "inputs/style/s.png"
    assert made["coral"].source is None


def test_model_makes_what_the_stylizer_makes(inputs, model, model_file):
    content, style = inputs
    system = make_model_system("m", model_file, model, [0.5, 1.0])
    made = {alpha: system.make(content, style, alpha) for alpha in system.alphas}
    stylizer = Stylizer(model)
    for alpha, one in made.items():
        expected = stylizer(content.picture, style.picture, alpha=alpha).array
        np.testing.assert_array_equal(one.picture, to_float(to_u8(expected)))
        assert one.values["seconds"] > 0
        assert one.values["peak_mb"] > 1
    assert "style_loss" not in made[0.5].values
    assert "style_loss" in made[1.0].values
    assert system.identity


def test_styles_are_seen_at_their_size_however_large(
    inputs, model, model_file, monkeypatch
):
    monkeypatch.setattr(style_pixels, "STYLE_SIZE_PX", SIZE_PX // 2)
    system = make_model_system("m", model_file, model, [1.0])
    made = system.make(*inputs, 1.0)
    stylizer = Stylizer(model)
    content, style = (one.picture for one in inputs)
    whole, shrunk = (
        to_float(to_u8(stylizer(content, style, style_size=side).array))
        for side in (SIZE_PX, None)
    )
    np.testing.assert_array_equal(made.picture, whole)
    assert np.abs(made.picture - shrunk).max() > 0.1


def test_content_as_its_own_style_has_no_training_loss(inputs, model, model_file):
    content, _ = inputs
    system = make_model_system("m", model_file, model, [1.0])
    assert "style_loss" not in system.make(content, content, 1.0).values


def test_a_model_with_styles_of_its_own_is_scored_on_pictures_called_like_them(
    folders, model_file
):
    colors = jnp.array([[1.0, 0.0, 0.0], [0.0, 0.0, 1.0]])
    method = Method(
        init=None,
        losses={},
        encode_style=lambda variables, frozen, style: {
            "colour": colors[style["style_index"]]
        },
        encode_content=lambda variables, frozen, image: image,
        moments=lambda features, masks: {},
        transfer=lambda v, f, features, moments, styles, controls: (
            features * 0 + styles[0]["colour"][:, None, None]
        ),
        decode=lambda variables, frozen, features: features,
        encoder_layers=(),
        tiling=None,
        controls=frozenset(),
        styles=("red", "t"),
    )
    own = Model(method, Variables({}, {}), {})
    system = make_model_system("own", model_file, own, [0.5])
    contents, styles = (load_inputs(folder, SIZE_PX) for folder in folders)
    pairs = [Pair(content, style) for content in contents for style in styles]
    keys = list(list_keys([system], pairs))
    assert [key[-1] for key in keys] == ["t"] * len(contents)
    made = system.make(contents[0], styles[1], None)
    assert tuple(made.picture[0, 0]) == (0, 0, 1)
    assert "seconds" in made.values
    assert "style_loss" not in made.values


def test_time_is_without_compiling(inputs, model, model_file, monkeypatch):
    calls = []

    def call(self, *arguments, stylize=Stylizer.__call__, **controls):
        calls.append(controls)
        return stylize(self, *arguments, **controls)

    monkeypatch.setattr(Stylizer, "__call__", call)
    system = make_model_system("m", model_file, model, [0.5])
    system.make(*inputs, 0.5)
    assert len(calls) == 2
    system.make(*inputs, 0.5)
    assert len(calls) == 3


def test_losses_are_those_of_the_method_under_the_models_own_settings(
    inputs, model_file, monkeypatch
):
    def loss(own, variables, frozen, batch, key):
        assert own is variables.players["model"]
        scale = frozen["encoder"]["conv1_1"]["bias"].sum() + 2.0
        metrics = {f"{k}_loss": scale * batch[k].mean() for k in batch}
        return 0.0, (metrics | {"other_loss": scale}, variables.state)

    def build(name, *, losses, arithmetic, **options):
        asked.append((name, losses, arithmetic.ddof, options))
        return SimpleNamespace(losses={"model": loss})

    asked = []
    monkeypatch.setattr(methods, "build", build)
    own = model_file.arithmetic | {"ddof": 1}
    file = model_file._replace(arithmetic=own, options={"norm": "batch"})
    found = make_training_losses(file)(*(x.picture for x in inputs))
    assert asked == [("adain", {"content": 1.0, "style": 1.0}, 1, {"norm": "batch"})]
    scale = file.encoder_params["conv1_1"]["bias"].sum() + 2.0
    expected = [scale * x.picture.mean() for x in inputs]
    assert list(found) == ["content_loss", "style_loss"]
    np.testing.assert_allclose(list(found.values()), expected, rtol=1e-4)


def test_outputs_are_read_from_their_files(inputs, tmp_path):
    content, style = inputs
    path = tmp_path / "x.png"
    save_image(style.square_u8, path)
    system = make_outputs_system("lite", {("b", "s"): path}, SIZE_PX)
    made = system.make(content, style, None)
    np.testing.assert_array_equal(made.picture, style.picture)
    assert made.source == path
    assert system.alphas == (None,)


def test_the_first_results_are_kept_and_others_made_anew():
    kept, made = BoundedCache(2), []
    for key in "abcabc":
        assert kept.get(key, lambda key=key: made.append(key) or key) == key
    assert "".join(made) == "abcc"


def test_peak_of_memory_counts_what_is_gone_at_the_end():
    with peak_memory() as small:
        pass
    with peak_memory() as peak:
        np.ones(25_000_000)
    if small.megabytes is None:
        pytest.skip("the system does not tell")
    assert peak.megabytes > 150


def test_a_model_without_a_judge_in_its_file_is_scored_without_its_losses(inputs):
    method = methods.build("lite", width=0.125)
    variables = method.init(jax.random.key(0))
    file = ModelFile(
        method="lite",
        encoder=EncoderSpec("vgg16", "torchvision"),
        encoder_params={},
        players=variables.players,
        state={},
        arithmetic={},
        provenance={},
        options=method.options,
    )
    system = make_model_system("lite", file, build_model(file), [1.0])
    made = system.make(*inputs, 1.0)
    assert made.values.keys() <= {"seconds", "peak_mb"}
    assert made.picture.shape == inputs[0].picture.shape
