"""AdaIN at two depths of a network of its own."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from styleflax.inference.tiles.tiling import stylize_tiled
from styleflax.methods import base, build
from styleflax.methods.base import Controls, plain_controls
from styleflax.methods.model import Model, build_model
from styleflax.models.lite import LEVELS, level_channels
from styleflax.models.vgg import VGG
from styleflax.ops.statistics import channel_mean_std
from styleflax.weights.store import EncoderSpec, ModelFile, load_model, save_model

WIDTH = 0.125
KEY = jax.random.key(0)
RNG = np.random.default_rng(3)


def images(height, width, count=1, seed=0):
    rng = np.random.default_rng(seed)
    return jnp.asarray(rng.random((count, height, width, 3)), jnp.float32)


@pytest.fixture(scope="module")
def method():
    return build("lite", width=WIDTH)


def drawn(shapes):
    """He's initialization, and biases, without which no border is told."""

    def draw(leaf):
        fan_in = np.prod(leaf.shape[:-1])
        scale = np.sqrt(2 / fan_in) if leaf.ndim > 1 else 0.05
        return np.float32(scale * RNG.standard_normal(leaf.shape))

    return jax.tree.map(draw, shapes)


@pytest.fixture(scope="module")
def variables(method):
    return drawn(jax.eval_shape(method.init, KEY))


def of_a_method(function):
    """The function, whose first argument is a method, compiled for each method."""
    programs = {}

    def call(method, *operands):
        known = programs.setdefault(
            id(method), jax.jit(functools.partial(function, method))
        )
        return known(*operands)

    return call


stylize = of_a_method(base.stylize)


@of_a_method
def encode(method, variables, image):
    return method.encode_style(variables, {}, {"image": image})


@of_a_method
def transferred(method, variables, content, styles, controls):
    features = method.encode_content(variables, {}, content)
    moments = method.moments(features, controls.masks)
    return method.transfer(variables, {}, features, moments, styles, controls)


@pytest.mark.parametrize("size", [(1, 1), (17, 9)])
def test_a_result_has_the_size_of_its_content(method, variables, size):
    style = encode(method, variables, images(12, 20))
    content = images(*size)
    result = stylize(method, variables, {}, content, [style], plain_controls())
    assert result.shape == content.shape
    assert np.isfinite(result).all()


def test_a_styles_record_is_the_moments_of_its_features(method, variables):
    image = images(24, 16, seed=5)
    style = encode(method, variables, image)
    features = jax.jit(method.encode_content)(variables, {}, image)
    assert sorted(style) == sorted(LEVELS)
    for level, feature in features.items():
        mean, std = channel_mean_std(feature)
        np.testing.assert_allclose(style[level]["mean"], mean, rtol=1e-6, atol=1e-6)
        np.testing.assert_allclose(style[level]["std"], std, rtol=1e-6, atol=1e-6)


def test_a_picture_in_its_own_style_is_that_at_strength_0(method, variables):
    image = images(24, 32, seed=1)
    own = encode(method, variables, image)
    other = encode(method, variables, images(16, 16, seed=2))
    inputs = (method, variables, {}, image)
    itself = stylize(*inputs, [own], plain_controls())
    content = stylize(*inputs, [other], plain_controls(0.0))
    np.testing.assert_allclose(itself, content, atol=2e-3)
    assert not np.allclose(stylize(*inputs, [other], plain_controls()), content)


def test_features_take_the_mix_of_the_styles_moments(method, variables):
    content = images(32, 32)
    styles = [encode(method, variables, images(16, 16, seed=s)) for s in (1, 2)]
    controls = plain_controls(weights=(0.25, 0.75))
    moved = transferred(method, variables, content, styles, controls)
    for level in LEVELS:
        mean, std = channel_mean_std(moved[level], eps=0.0)
        for found, name in ((mean, "mean"), (std, "std")):
            mixed = 0.25 * styles[0][level][name] + 0.75 * styles[1][level][name]
            # A small variance shows the constant that is added to it.
            np.testing.assert_allclose(found, mixed, rtol=2e-2, atol=1e-4)


def test_a_region_takes_its_own_style(method, variables):
    content = images(16, 32)
    styles = [encode(method, variables, images(16, 16, seed=s)) for s in (1, 2)]
    left = np.zeros((16, 32), np.float32)
    left[:, :16] = 1
    masks = jnp.asarray(np.stack([left, 1 - left]))
    controls = Controls(jnp.ones(2), jnp.eye(2), masks, {})
    moved = transferred(method, variables, content, styles, controls)
    for level in LEVELS:
        half = moved[level].shape[2] // 2
        mean, _ = channel_mean_std(moved[level][:, :, :half])
        np.testing.assert_allclose(mean, styles[0][level]["mean"], atol=1e-3)


def test_windows_give_the_whole_picture(method, variables):
    content = np.asarray(images(300, 282)[0])
    style = encode(method, variables, images(24, 24, seed=7))
    controls = plain_controls(0.8)
    whole = stylize(
        method, variables, {}, jnp.asarray(content)[None], [style], controls
    )
    found = stylize_tiled(
        Model(method, variables, {}), content, [style], controls, tile_px=256
    )
    wanted = np.clip(np.asarray(whole[0]), 0, 1)
    assert wanted.std() > 0.02
    np.testing.assert_allclose(found / 255.0, wanted, atol=0.6 / 255)


def test_the_judge_gives_gradients_to_encoder_and_decoder():
    weights = {"content": 1.0, "gram": 1.0, "identity": 1.0, "total_variation": 1.0}
    method = build(
        "lite",
        losses=weights,
        width=WIDTH,
    )
    variables = drawn(jax.eval_shape(method.init, KEY))
    judge = VGG(method.judge_layers, widths=(4, 4, 8, 8, 8))
    params = drawn(jax.eval_shape(judge.init, KEY, images(16, 16)))["params"]
    frozen = {"encoder": params}
    batch = {"content": images(16, 16, 2, 1), "style": images(16, 16, 2, 2)}
    own = variables.players["model"]
    loss = jax.jit(jax.value_and_grad(method.losses["model"], has_aux=True))
    (total, (metrics, _)), gradient = loss(own, variables, frozen, batch, KEY)
    terms = {name: float(metrics[f"{name}_loss"]) for name in weights}
    assert float(total) == pytest.approx(sum(terms.values()), rel=1e-5)
    for leaf in jax.tree.leaves(gradient):
        assert np.isfinite(leaf).all()
        assert np.any(leaf != 0)


def test_a_model_file_holds_no_judge_and_loads(method, variables, tmp_path):
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
    save_model(tmp_path / "lite.safetensors", file, np.float32)
    model = build_model(load_model(tmp_path / "lite.safetensors"))
    assert model.frozen == {"encoder": {}}
    controls = plain_controls()
    style = encode(method, variables, images(16, 16, seed=4))
    inputs = images(16, 24), [style], controls
    np.testing.assert_array_equal(
        stylize(model.method, model.variables, model.frozen, *inputs),
        stylize(method, variables, {}, *inputs),
    )
    params = {"conv1_1": {"kernel": np.zeros((3, 3, 3, 64)), "bias": np.zeros(64)}}
    with pytest.raises(ValueError, match=r"encoder does not fit.*extra"):
        build_model(file._replace(encoder_params=params))


def test_at_full_width_a_file_of_float16_has_less_than_2_mb():
    shapes = jax.eval_shape(build("lite").init, KEY).players["model"]
    count = sum(int(np.prod(leaf.shape)) for leaf in jax.tree.leaves(shapes))
    assert count == 947_107
    assert 2 * count < 2e6


def test_width_sets_the_channels_and_must_be_positive():
    assert level_channels(1.0) == (32, 64, 128)
    assert level_channels(0.5) == (16, 32, 64)
    assert level_channels(1e-3) == (4, 4, 4)
    with pytest.raises(ValueError, match=r"width must be above 0.*, got 0\.0"):
        build("lite", width=0.0).init(KEY)
