import jax
import jax.numpy as jnp
import numpy as np
import numpy_adain
import numpy_sanet
import pytest

from styleflax.config import Arithmetic
from styleflax.methods import sanet
from styleflax.methods.base import Variables
from styleflax.methods.sanet import make_sanet
from styleflax.presets import PRESETS

ENCODER = numpy_sanet.random_encoder()
PARAMS = numpy_sanet.random_model()
CONSTANTS = (Variables({"model": PARAMS}, {}), {"encoder": ENCODER})
KEY = jax.random.key(0)
WEIGHTS = {
    "content": 0.5,
    "style": 3.0,
    "gram": 0.6,
    "identity_pixels": 2.0,
    "identity_features": 0.7,
    "total_variation": 1.5,
    "out_of_range": 2.5,
    "grid": 1.0,
    "spectrum": 1.0,
}
BATCH = {
    "content": jnp.asarray(numpy_adain.random_images(24, 40, 2, seed=3)),
    "style": jnp.asarray(numpy_adain.random_images(24, 40, 2, seed=4)),
}


def compile_loss(make, *arguments, **settings):
    # The library's own gradient of a convolution has its own tests, and compiles
    # for long.
    loss = make(*arguments, native=True, **settings).losses["model"]
    return jax.jit(lambda batch: loss(PARAMS, *CONSTANTS, batch, KEY))


@pytest.fixture(scope="module")
def loss_and_gradient(make_narrow_sanet):
    loss = make_narrow_sanet(WEIGHTS, native=True).losses["model"]
    compiled = jax.jit(jax.value_and_grad(loss, has_aux=True))
    return lambda batch: compiled(PARAMS, *CONSTANTS, batch, KEY)


@pytest.fixture(scope="module")
def expected():
    return numpy_sanet.loss_terms(ENCODER, PARAMS, *BATCH.values())


def total_of(terms, weights=WEIGHTS):
    return sum(weight * terms[f"{name}_loss"] for name, weight in weights.items())


def check(found, expected, weights, rel=5e-5):
    total, (metrics, state) = found
    for name, value in metrics.items():
        assert float(value) == pytest.approx(expected[name], rel=rel)
    assert float(total) == pytest.approx(total_of(expected, weights), rel=rel)
    assert state == {}


def test_every_term_agrees_with_float64(loss_and_gradient, expected):
    found, _ = loss_and_gradient(BATCH)
    assert set(WEIGHTS) == {*sanet.LOSS_TERMS, "style", "gram"}
    assert set(found[1][0]) == {f"{name}_loss" for name in WEIGHTS}
    check(found, expected, WEIGHTS)


def test_the_published_arithmetic_agrees_with_float64(make_narrow_sanet):
    preset = PRESETS["sanet-public"]
    found = compile_loss(
        make_narrow_sanet, preset.losses, arithmetic=preset.arithmetic
    )(BATCH)
    terms = numpy_sanet.loss_terms(ENCODER, PARAMS, *BATCH.values(), ddof=1)
    check(found, terms, preset.losses)


def test_the_erratum_and_the_print_of_the_paper_swap_the_identity_weights():
    erratum, printed = (
        PRESETS[name].losses for name in ("sanet-public", "sanet-paper-print")
    )
    assert dict(sanet.PAPER_LOSSES) == erratum
    assert (erratum["identity_pixels"], erratum["identity_features"]) == (50.0, 1.0)
    assert (printed["identity_pixels"], printed["identity_features"]) == (1.0, 50.0)
    assert {k: v for k, v in erratum.items() if "identity" not in k} == {
        k: v for k, v in printed.items() if "identity" not in k
    }
    assert PRESETS["sanet-public"].arithmetic == Arithmetic(ddof=1)


@pytest.mark.parametrize(
    "weights",
    [
        {"identity_pixels": 50.0, "identity_features": 1.0},
        {"identity_features": 2.0},
        {"content": 1.0, "style": 3.0},
    ],
)
def test_terms_that_are_not_asked_for_are_not_computed(
    make_narrow_sanet, weights, expected
):
    found = compile_loss(make_narrow_sanet, weights)(BATCH)
    check(found, expected, weights)
    computed = {name.partition("_")[0] for name in found[1][0]}
    assert computed == {name.partition("_")[0] for name in weights}


def test_gradient_agrees_with_differences_in_float64(loss_and_gradient):
    gradient = loss_and_gradient(BATCH)[1]
    assert jax.tree.map(jnp.shape, gradient) == jax.tree.map(jnp.shape, PARAMS)
    for block, name in (("sanet4_1", "f"), ("sanet5_1", "h"), ("sanet5_1", "f")):
        way = np.asarray(gradient[block][name]["bias"], float)
        ends = []
        for step in (1e-6, -1e-6):
            layer = PARAMS[block][name]
            bias = layer["bias"] + step * way / np.linalg.norm(way)
            layers = {**PARAMS[block], name: {**layer, "bias": bias}}
            terms = numpy_sanet.loss_terms(
                ENCODER, {**PARAMS, block: layers}, *BATCH.values()
            )
            ends.append(total_of(terms))
        slope = (ends[0] - ends[1]) / 2e-6
        assert np.linalg.norm(way) == pytest.approx(slope, rel=1e-3)


def test_every_term_of_a_batch_is_the_mean_over_its_pairs(loss_and_gradient):
    def terms_of(batch):
        (total, (metrics, _)), _ = loss_and_gradient(batch)
        return np.array([total, *metrics.values()])

    # Batches of one pair twice have the same shape, for which all is compiled.
    doubled = [{k: v[jnp.array([i, i])] for k, v in BATCH.items()} for i in range(2)]
    of_pairs = [terms_of(batch) for batch in doubled]
    np.testing.assert_allclose(terms_of(BATCH), np.mean(of_pairs, axis=0), rtol=5e-5)


def test_gradient_is_finite_for_constant_pictures(loss_and_gradient):
    batch = {"content": jnp.zeros((2, 24, 40, 3)), "style": jnp.ones((2, 24, 40, 3))}
    leaves = jax.tree.leaves(loss_and_gradient(batch))
    assert all(bool(jnp.isfinite(leaf).all()) for leaf in leaves)


@pytest.mark.parametrize("losses", [{"identity": 1.0}, {}, {"pixel": 1.0}])
def test_unknown_terms_are_refused_with_those_there_are(losses):
    with pytest.raises(ValueError, match="losses must be among") as caught:
        make_sanet(losses)
    assert all(term in str(caught.value) for term in sanet.LOSS_TERMS)
