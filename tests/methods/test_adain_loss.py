import jax
import jax.numpy as jnp
import numpy as np
import numpy_adain
import pytest

from styleflax.config import Arithmetic
from styleflax.methods import adain as module
from styleflax.methods.adain import make_adain
from styleflax.methods.base import Variables
from styleflax.models.vgg import DECODER_LAYERS
from styleflax.ops.color_match import color_palette, match_chroma, match_pairs
from styleflax.ops.spatial import middle_half

ENCODER = numpy_adain.random_encoder()
DECODER = numpy_adain.random_decoder()
CONSTANTS = (Variables({"model": DECODER}, {}), {"encoder": ENCODER})
KEY = jax.random.key(0)
WEIGHTS = {
    "content": 0.5,
    "style": 3.0,
    "gram": 0.6,
    "pixel": 2.0,
    "identity": 0.7,
    "identity_features": 0.4,
    "total_variation": 1.5,
    "out_of_range": 2.5,
    "grid": 1.0,
    "spectrum": 1.0,
}
BATCH = {
    "content": jnp.asarray(numpy_adain.random_images(16, 16, 2, seed=3)),
    "style": jnp.asarray(numpy_adain.random_images(16, 16, 2, seed=4)),
}


@pytest.fixture(scope="module")
def loss_and_gradient(make_narrow):
    # The library's own gradient of a convolution has its own tests, and compiles
    # for long.
    loss = make_narrow(WEIGHTS, native=True).losses["model"]
    compiled = jax.jit(jax.value_and_grad(loss, has_aux=True))
    return lambda batch: compiled(DECODER, *CONSTANTS, batch, KEY)


def total_of(terms, weights=WEIGHTS):
    return sum(weight * terms[f"{name}_loss"] for name, weight in weights.items())


def check(total, metrics, expected, weights):
    for name, value in metrics.items():
        assert float(value) == pytest.approx(expected[name], rel=2e-5)
    assert float(total) == pytest.approx(total_of(expected, weights), rel=2e-5)


def test_every_term_agrees_with_float64(loss_and_gradient):
    (total, (metrics, state)), _ = loss_and_gradient(BATCH)
    assert set(WEIGHTS) == {*module.LOSS_TERMS, "style", "gram"}
    assert set(metrics) == {f"{k}_loss" for k in WEIGHTS}
    assert state == {}
    expected = numpy_adain.loss_terms(ENCODER, DECODER, *BATCH.values())
    check(total, metrics, expected, WEIGHTS)


def test_the_other_published_arithmetic_agrees_with_float64(make_narrow):
    weights = {"content": 1.0, "style": 0.01}
    arithmetic = Arithmetic(ddof=1, reduction="channel_sum")
    loss = jax.jit(make_narrow(weights, arithmetic=arithmetic).losses["model"])
    total, (metrics, _) = loss(DECODER, *CONSTANTS, BATCH, KEY)
    expected = numpy_adain.loss_terms(
        ENCODER, DECODER, *BATCH.values(), ddof=1, sums_channels=True
    )
    assert set(metrics) == {"content_loss", "style_loss"}
    check(total, metrics, expected, weights)


def test_gradient_agrees_with_differences_in_float64(loss_and_gradient):
    gradient = loss_and_gradient(BATCH)[1]
    assert jax.tree.map(jnp.shape, gradient) == jax.tree.map(jnp.shape, DECODER)
    for name in ("conv4_1", "conv1_1"):
        way = np.asarray(gradient[name]["bias"], float)
        ends = []
        for step in (1e-6, -1e-6):
            bias = DECODER[name]["bias"] + step * way / np.linalg.norm(way)
            moved = {**DECODER, name: {**DECODER[name], "bias": bias}}
            ends.append(
                total_of(numpy_adain.loss_terms(ENCODER, moved, *BATCH.values()))
            )
        slope = (ends[0] - ends[1]) / 2e-6
        assert np.linalg.norm(way) == pytest.approx(slope, rel=1e-3)


def test_every_term_of_a_batch_is_the_mean_over_its_pairs(loss_and_gradient):
    def terms_of(batch):
        (total, (metrics, _)), _ = loss_and_gradient(batch)
        return np.array([total, *metrics.values()])

    # Batches of one pair twice have the same shape, for which all is compiled.
    doubled = [{k: v[jnp.array([i, i])] for k, v in BATCH.items()} for i in range(2)]
    of_pairs = [terms_of(batch) for batch in doubled]
    np.testing.assert_allclose(terms_of(BATCH), np.mean(of_pairs, axis=0), rtol=2e-5)


def test_gradient_is_finite_for_constant_pictures(loss_and_gradient):
    batch = {"content": jnp.zeros((2, 16, 16, 3)), "style": jnp.ones((2, 16, 16, 3))}
    leaves = jax.tree.leaves(loss_and_gradient(batch))
    assert all(np.isfinite(leaf).all() for leaf in leaves)


def test_only_the_decoder_is_trained():
    method = make_adain()
    variables = jax.eval_shape(method.init, KEY)
    assert list(variables.players) == list(method.losses) == ["model"]
    assert set(variables.players["model"]) == set(DECODER_LAYERS)
    assert variables.state == {}


@pytest.mark.parametrize(
    ("side", "rows", "columns"),
    [
        ((128, 128), slice(32, 96), slice(32, 96)),
        ((100, 40), slice(26, 74), slice(12, 28)),
        ((8, 17), slice(0, 8), slice(4, 12)),
    ],
)
def test_the_middle_is_half_of_both_sides_in_steps_of_8_px(side, rows, columns):
    images = jnp.asarray(numpy_adain.random_images(*side))
    middle = middle_half(images)
    np.testing.assert_array_equal(middle, images[:, rows, columns])


def test_losses_may_judge_the_picture_after_the_color_step(make_narrow):
    both, in_range = {"gram": 1.0, "out_of_range": 0.0}, {"out_of_range": 0.0}

    def loss_of(losses, **arguments):
        return make_narrow(losses, native=True, **arguments).losses["model"]

    def metrics(losses, **arguments):
        return jax.jit(loss_of(losses, **arguments))(DECODER, *CONSTANTS, BATCH, KEY)[
            1
        ][0]

    plain, none, moved = (
        metrics(both, **looks)
        for looks in ({}, {"color_match": 0.0}, {"color_match": 1.0})
    )
    gradient_of = jax.grad(loss_of(both, color_match=1.0), has_aux=True)
    gradient, _ = jax.jit(gradient_of)(DECODER, *CONSTANTS, BATCH, KEY)
    assert none == plain
    assert abs(float(moved["gram_loss"] - plain["gram_loss"])) > 1e-3
    # What the decoder itself makes is what must stay within range: to the bit where no
    # Gram matrices make another program of it.
    name = "out_of_range_loss"
    assert float(moved[name]) == pytest.approx(float(plain[name]), rel=1e-6)
    assert metrics(in_range, color_match=1.0)[name] == metrics(in_range)[name]
    assert all(np.isfinite(x).all() for x in jax.tree.leaves(gradient))


def test_pictures_of_a_batch_get_the_chroma_of_the_painting_beside_them():
    image, style = map(np.asarray, BATCH.values())
    alone = jax.jit(lambda one, painting: match_chroma(one, color_palette(painting)))
    matched = jax.jit(lambda *pair: match_pairs(*pair, 1.0))(image, style)
    for i, made in enumerate(np.asarray(matched)):
        expected = alone(image[i : i + 1], style[i : i + 1])
        np.testing.assert_allclose(made, expected[0], atol=1e-5)
