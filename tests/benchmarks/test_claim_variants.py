"""The networks that only the claims in `benchmarks` train."""

import jax
import jax.numpy as jnp
import numpy as np
import numpy_adain
import numpy_sanet
import pytest

from benchmarks.claims.adain_variants import VariantOptions, make_variant
from benchmarks.claims.sanet_level import OneLevel
from styleflax.config import Arithmetic
from styleflax.methods import adain, build
from styleflax.methods.base import Variables, plain_controls
from styleflax.models.sanet import LEVELS, SANet, whole_picture

ENCODER = {"encoder": numpy_adain.random_encoder()}
DECODER = numpy_adain.random_decoder()
CHANNELS = numpy_adain.ENCODER_WIDTHS[3]
KEY = jax.random.key(0)
RNG = np.random.default_rng(5)
BATCH = {
    "content": jnp.asarray(numpy_adain.random_images(16, 16, 2, seed=3)),
    "style": jnp.asarray(numpy_adain.random_images(16, 16, 2, seed=4)),
}


def make(**options):
    layers = numpy_adain.DECODER_WIDTHS
    return make_variant(
        adain.PAPER_LOSSES, Arithmetic(), VariantOptions(**options), layers
    )


def metrics_of(method, players=DECODER, state=None):
    """Metrics and the state after a step."""
    variables = Variables({"model": players}, state or {})
    loss = jax.jit(method.losses["model"])
    return loss(players, variables, ENCODER, BATCH, KEY)[1]


def test_a_variant_without_changes_is_adain():
    found, _ = metrics_of(make())
    usual, _ = metrics_of(build("adain", width=numpy_adain.WIDTH))
    assert found.keys() == usual.keys()
    for name, value in usual.items():
        assert float(found[name]) == pytest.approx(float(value), rel=1e-5)


def test_the_contents_own_features_change_the_content_term_alone():
    found, _ = metrics_of(make(content_target="content"))
    usual, _ = metrics_of(make())
    assert float(found["style_loss"]) == pytest.approx(float(usual["style_loss"]))
    assert abs(found["content_loss"] / usual["content_loss"] - 1) > 0.01


def test_concatenation_puts_the_style_beside_the_content():
    content, style = (
        jnp.asarray(RNG.normal(size=(1, h, w, CHANNELS)), jnp.float32)
        for h, w in ((4, 6), (3, 2))
    )
    method = make(transform="concatenation")
    features, styles = {"relu4_1": content}, [{"relu4_1": style}]
    arguments = (Variables({}, {}), {}, features, {}, styles, plain_controls())
    found = method.transfer(*arguments)["relu4_1"]
    np.testing.assert_array_equal(found[..., :CHANNELS], content)
    assert found.shape == (1, 4, 6, 2 * CHANNELS)


def test_batch_norm_trains_and_moves_its_statistics():
    method = make(norm="batch")
    shapes = jax.eval_shape(method.init, KEY)
    norms = {k: v for k, v in shapes.players["model"].items() if k.startswith("norm")}
    assert len(norms) == len(DECODER) - 1
    ones = jax.tree.map(lambda x: np.ones(x.shape, np.float32), (norms, shapes.state))
    metrics, after = metrics_of(method, {**DECODER, **ones[0]}, ones[1])
    assert np.isfinite([float(x) for x in metrics.values()]).all()
    moved = jax.tree.map(lambda a, b: bool(jnp.all(a != b)), ones[1], after)
    assert all(jax.tree.leaves(moved))


@pytest.mark.parametrize("option", ["norm", "transform", "content_target"])
def test_unknown_options_are_refused_by_name(option):
    with pytest.raises(ValueError, match=f"{option} must be one of .*'other'"):
        make(**{option: "other"})


def test_both_levels_are_the_sum_of_each_alone():
    params = numpy_sanet.random_transform()
    content, style = (
        {
            layer: jnp.asarray(RNG.normal(size=(1, *side, CHANNELS)), jnp.float32)
            for layer, side in (("relu4_1", (3, 5)), ("relu5_1", (2, 3)))
        }
        for _ in range(2)
    )
    statistics = {"ddof": 0, "eps": 1e-5}
    queries = {layer: [feature] for layer, feature in content.items()}
    network = SANet(statistics, path="dense")
    both = jax.jit(network.apply)(
        {"params": params}, content, queries, [style], whole_picture()
    )
    bias = params["merge_conv"]["bias"]
    each = []
    for level in LEVELS:
        own = {k: params[k] for k in (level.replace("relu", "sanet"), "merge_conv")}
        one = OneLevel(level, statistics)
        arguments = content, content[level], style[level]
        each.append(jax.jit(one.apply)({"params": own}, *arguments) - bias)
    np.testing.assert_allclose(both - bias, each[0] + each[1], rtol=1e-4, atol=1e-5)
    assert all(float(jnp.abs(x).max()) > 0.1 for x in each)
