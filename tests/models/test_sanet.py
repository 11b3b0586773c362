from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import numpy_sanet
import pytest
from numpy_sanet import ATTENDED, CHANNELS

from styleflax.models.sanet import Regions, SANet, likeness_params

PARAMS = numpy_sanet.random_transform()
WHOLE = Regions(jnp.ones((1, 1, 1)), jnp.ones((1, 1)))
STATISTICS = {"ddof": 0, "eps": 1e-5}


def draw_features(height, width, number=1, seed=0, channels=CHANNELS):
    """Features of pictures whose relu4_1 has that size."""
    rng = np.random.default_rng(seed)
    sides = ((height, width), (-(-height // 2), -(-width // 2)))
    return {
        layer: jnp.asarray(
            np.maximum(rng.normal(0.3, 1.0, (number, *side, channels)), 0), jnp.float32
        )
        for layer, side in zip(ATTENDED, sides, strict=True)
    }


def queries_of(content):
    return {
        layer: [jnp.asarray(numpy_sanet.normalize(x), jnp.float32)]
        for layer, x in content.items()
    }


@partial(jax.jit, static_argnames=("path", "dtype"))
def compute(params, content, queries, styles, level_weights, path, dtype):
    network = SANet(STATISTICS, dtype, path=path)
    arguments = (content, queries, styles, WHOLE, level_weights)
    return network.apply({"params": params}, *arguments)


def run(content, style, level_weights=(1.0, 1.0), path="auto", dtype=jnp.float32):
    queries = queries_of(content)
    return compute(PARAMS, content, queries, [style], level_weights, path, dtype)


def relative_error(got, expected):
    return np.linalg.norm(got - expected) / np.linalg.norm(expected)


def test_parameter_count_is_pinned():
    content = draw_features(2, 2, channels=512)
    arguments = (content, {k: [v] for k, v in content.items()}, [content], WHOLE)
    shapes = jax.eval_shape(SANet(STATISTICS).init, jax.random.key(0), *arguments)
    params = shapes["params"]
    of_likeness = jax.eval_shape(likeness_params, jax.random.key(0))
    assert jax.tree.map(jnp.shape, of_likeness) == jax.tree.map(jnp.shape, params)
    assert sum(leaf.size for leaf in jax.tree.leaves(params)) == 4_461_056
    assert set(params) == {"sanet4_1", "sanet5_1", "merge_conv"}
    for block in ("sanet4_1", "sanet5_1"):
        assert set(params[block]) == {"f", "g", "h", "out_conv"}


@pytest.mark.parametrize(
    ("side", "of_style"), [((1, 1), (2, 3)), ((3, 5), (1, 1)), ((3, 4), (4, 4))]
)
def test_features_agree_with_float64_also_where_a_side_is_odd(side, of_style):
    content, style = draw_features(*side, 2), draw_features(*of_style, 2, seed=1)
    merged = run(content, style)
    expected = numpy_sanet.transfer(PARAMS, content, [style], [1.0])
    assert merged.shape == content["relu4_1"].shape
    assert relative_error(merged, expected) < 1e-5


def test_one_style_serves_all_contents_of_a_batch():
    content, style = draw_features(3, 4, 2), draw_features(4, 4, seed=1)
    both = {k: jnp.concatenate([v, v]) for k, v in style.items()}
    np.testing.assert_allclose(
        run(content, style), run(content, both), rtol=1e-5, atol=1e-6
    )


def test_where_in_the_style_something_is_does_not_matter():
    content, style = draw_features(3, 4), draw_features(4, 4, seed=1)
    turned = {k: v[:, ::-1].swapaxes(1, 2) for k, v in style.items()}
    again = run(content, turned)
    np.testing.assert_allclose(again, run(content, style), rtol=1e-4, atol=1e-5)


def test_levels_are_weighed_apart_and_the_contents_own_features_stay():
    content, style = draw_features(3, 4), draw_features(4, 4, seed=1)
    attended = numpy_sanet.attend_both(PARAMS, content, style)
    for weights in ((0.0, 0.0), (0.4, 1.6)):
        merged = run(content, style, level_weights=weights)
        expected = numpy_sanet.merge(PARAMS, content, attended, weights)
        assert relative_error(merged, expected) < 1e-5


def test_in_blocks_it_computes_the_same():
    content, style = draw_features(3, 4), draw_features(4, 4, seed=1)
    dense, chunked = (run(content, style, path=path) for path in ("dense", "chunked"))
    np.testing.assert_allclose(chunked, dense, rtol=1e-5, atol=1e-5)


def test_jit_equals_eager():
    content, style = draw_features(3, 4), draw_features(4, 4, seed=1)
    eager = SANet(STATISTICS).apply(
        {"params": PARAMS}, content, queries_of(content), [style], WHOLE
    )
    np.testing.assert_allclose(run(content, style), eager, rtol=1e-5, atol=1e-5)


def test_bfloat16_compute_gives_float32_near_the_exact_features():
    content, style = draw_features(3, 4), draw_features(4, 4, seed=1)
    merged = run(content, style, dtype=jnp.bfloat16)
    assert merged.dtype == jnp.float32
    expected = numpy_sanet.transfer(PARAMS, content, [style], [1.0])
    assert 0 < relative_error(merged, expected) < 0.05


def test_gradients_are_finite_for_features_that_are_constant():
    flat = {k: jnp.zeros_like(v) for k, v in draw_features(3, 4).items()}

    @jax.jit
    @jax.grad
    def gradient(params):
        network = SANet(STATISTICS)
        merged = network.apply(
            {"params": params}, flat, {k: [v] for k, v in flat.items()}, [flat], WHOLE
        )
        return (merged**2).sum()

    leaves = jax.tree.leaves(gradient(PARAMS))
    assert all(np.isfinite(leaf).all() for leaf in leaves)


def test_before_training_a_picture_in_its_own_style_stays_but_for_relu5_1():
    content = draw_features(3, 4, channels=512)
    content["relu5_1"] = 0.0 * content["relu5_1"]
    params = jax.jit(likeness_params)(jax.random.key(1))
    queries = queries_of(content)
    arguments = ([content], (1.0, 1.0), "auto", jnp.float32)
    merged = compute(params, content, queries, *arguments)
    assert relative_error(merged, content["relu4_1"]) < 1e-5
