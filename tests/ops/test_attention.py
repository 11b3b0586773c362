from functools import partial

import jax
import jax.numpy as jnp
import jaxtyping
import numpy as np
import numpy_sanet
import pytest

from styleflax.ops import attention as module
from styleflax.ops.attention import BLOCKS, attention

PATHS = ["dense", "chunked"]
SMALL = (3, 4)
"""Blocks that neither 7 queries nor 11 keys are a multiple of."""


def draw(*shape, seed=0, deviation=1.0):
    rng = np.random.default_rng([seed, *shape])
    return jnp.asarray(rng.normal(0.0, deviation, shape), jnp.float32)


def operands(batch=2, num_queries=7, num_keys=11, batch_of_keys=None):
    of_keys = batch_of_keys or batch
    return (
        draw(batch, num_queries, 5),
        draw(of_keys, num_keys, 5, seed=1),
        draw(of_keys, num_keys, 6, seed=2),
    )


@partial(
    jax.jit,
    static_argnames=("path", "blocks"),
    # Compiling takes longer than anything else here.
    compiler_options={"xla_backend_optimization_level": 0},
)
def value_and_gradients(arrays, path, blocks=SMALL, mask=None, bias=None):
    """The result, and gradients of q, k, v and bias of a sum with random factors."""

    def total(arrays, bias):
        result = attention(*arrays, mask=mask, bias=bias, path=path, blocks=blocks)
        return (result * draw(*result.shape, seed=3)).sum(), result

    argnums = (0, 1) if bias is not None else 0
    gradients, result = jax.grad(total, argnums, has_aux=True)(arrays, bias)
    return result, gradients


def assert_paths_agree(arrays, blocks=SMALL, **more):
    dense = value_and_gradients(arrays, "dense", **more)
    chunked = value_and_gradients(arrays, "chunked", blocks, **more)
    expected = numpy_sanet.attention(*arrays, **more)
    np.testing.assert_allclose(dense[0], expected, atol=1e-5)
    for a, b in zip(jax.tree.leaves(dense), jax.tree.leaves(chunked), strict=True):
        assert a.shape == b.shape
        assert np.isfinite(a).all()
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("path", PATHS)
def test_two_scores_that_differ_by_ln_3_weigh_their_values_3_to_1(path):
    query = jnp.array([[[1.0]]])
    key = jnp.array([[[float(np.log(3.0))], [0.0]]])
    value = jnp.array([[[4.0], [8.0]]])
    result = attention(query, key, value, path=path)
    np.testing.assert_allclose(result, [[[5.0]]], rtol=1e-6)


@pytest.mark.parametrize("path", PATHS)
def test_equal_scores_give_the_mean_of_the_values(path):
    _, key, value = operands(batch=1)
    result = attention(jnp.zeros((1, 7, 5)), key, value, path=path, blocks=SMALL)
    mean = np.repeat(np.mean(value, axis=1, keepdims=True), 7, axis=1)
    np.testing.assert_allclose(result, mean, atol=1e-6)


@pytest.mark.parametrize(
    ("sizes", "blocks"),
    [
        ((8, 12), (4, 6)),
        ((7, 11), SMALL),
        ((7, 11), (1, 1)),
        ((5, 3), BLOCKS),
        ((1, 1), (2, 3)),
        ((9, 2), (4, 8)),
    ],
)
def test_both_paths_agree_with_float64_and_in_their_gradients(sizes, blocks):
    assert_paths_agree(operands(2, *sizes), blocks)


def test_one_style_serves_a_batch_of_contents():
    assert_paths_agree(operands(3, batch_of_keys=1))


@pytest.mark.parametrize(
    "shape", [(2, 1, 1), (1, 7, 1), (2, 1, 11), (1, 7, 11), (2, 7, 11)], ids=str
)
def test_bias_and_mask_of_any_broadcast_shape_do_the_same_on_both_paths(shape):
    # The mask has an axis where the bias has none: together they are whole.
    pairs = zip(shape, (2, 7, 11), strict=True)
    mask = draw(*(1 if n > 1 else whole for n, whole in pairs), seed=4) > -0.5
    assert_paths_agree(operands(), mask=mask, bias=draw(*shape, seed=5))


@pytest.mark.parametrize("shape", [(1, 7, 1), (2, 1, 11), (2, 7, 11)], ids=str)
def test_a_mask_alone_of_any_broadcast_shape_does_the_same_on_both_paths(shape):
    assert_paths_agree(operands(), mask=draw(*shape, seed=6) > -0.5)


@pytest.mark.parametrize("path", PATHS)
def test_a_query_that_may_attend_to_nothing_gives_0_with_finite_gradients(path):
    mask = np.ones((2, 7, 11), bool)
    mask[:, 2] = False
    mask[:, 5, 1:] = False
    result, gradients = value_and_gradients(operands(), path, mask=jnp.asarray(mask))
    np.testing.assert_array_equal(result[:, 2], 0.0)
    value = operands()[2]
    np.testing.assert_allclose(result[:, 5], value[:, 0], rtol=1e-6)
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(gradients))
    np.testing.assert_array_equal(gradients[0][:, 2], 0.0)


@pytest.mark.parametrize("path", PATHS)
def test_nothing_allowed_at_all_gives_0_and_no_gradient(path):
    mask = jnp.zeros((2, 7, 11), bool)
    found = value_and_gradients(operands(), path, mask=mask)
    assert not any(np.any(leaf) for leaf in jax.tree.leaves(found))


@pytest.mark.parametrize("path", PATHS)
def test_a_bias_of_minus_infinity_forbids_as_a_mask_does(path):
    mask = draw(2, 7, 11, seed=7) > 0
    forbidding = jnp.where(mask, 0.0, -jnp.inf)
    expected = numpy_sanet.attention(*operands(), mask)
    result, gradients = value_and_gradients(operands(), path, bias=forbidding)
    np.testing.assert_allclose(result, expected, atol=1e-5)
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(gradients))


@pytest.mark.parametrize("path", PATHS)
def test_gradients_are_finite_where_all_scores_are_equal_or_huge(path):
    query, key, value = operands()
    for scale in (0.0, 1e4):
        arrays = (scale * query, key, value)
        found = value_and_gradients(arrays, path)
        assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(found))


@pytest.mark.parametrize("path", PATHS)
def test_the_order_of_the_styles_positions_does_not_matter(path):
    query, key, value = operands()
    order = np.random.default_rng(8).permutation(11)
    found, (of_query, of_key, _) = value_and_gradients((query, key, value), path)
    permuted, (of_query_again, of_key_again, _) = value_and_gradients(
        (query, key[:, order], value[:, order]), path
    )
    np.testing.assert_allclose(permuted, found, atol=1e-6)
    np.testing.assert_allclose(of_query_again, of_query, atol=1e-5)
    np.testing.assert_allclose(of_key_again, of_key[:, order], atol=1e-5)


@pytest.mark.parametrize("path", PATHS)
def test_a_constant_added_to_all_scores_of_a_query_changes_nothing(path):
    constants = draw(2, 7, 1, seed=9, deviation=10.0)
    bias = jnp.broadcast_to(constants, (2, 7, 11))
    moved, of_moved = value_and_gradients(operands(), path, bias=bias)
    still, of_still = value_and_gradients(operands(), path, bias=0.0 * bias)
    np.testing.assert_allclose(moved, still, atol=1e-5)
    np.testing.assert_allclose(of_moved[1], of_still[1], atol=1e-5)
    np.testing.assert_allclose(of_moved[1].sum(axis=-1), 0.0, atol=1e-5)


@pytest.mark.parametrize("path", PATHS)
def test_bfloat16_inputs_give_float32_near_the_exact_result(path):
    arrays = tuple(x.astype(jnp.bfloat16) for x in operands())
    result, gradients = value_and_gradients(arrays, path)
    assert result.dtype == jnp.float32
    assert all(leaf.dtype == jnp.bfloat16 for leaf in jax.tree.leaves(gradients))
    expected = numpy_sanet.attention(*(np.asarray(x, float) for x in arrays))
    np.testing.assert_allclose(result, expected, atol=0.02)


def largest_array(function, *arguments):
    """Elements of the largest array that a program makes, whatever it calls."""

    def visit(jaxpr):
        sizes = [0]
        for equation in jaxpr.eqns:
            sizes += [v.aval.size for v in equation.outvars if hasattr(v.aval, "size")]
            for inner in jax.tree.leaves(
                list(equation.params.values()), is_leaf=lambda x: hasattr(x, "eqns")
            ):
                if hasattr(inner, "eqns"):
                    sizes.append(visit(getattr(inner, "jaxpr", inner)))
        return max(sizes)

    return visit(jax.make_jaxpr(function)(*arguments).jaxpr)


@pytest.mark.parametrize("with_gradient", [False, True])
def test_the_switch_to_blocks_keeps_the_score_matrix_from_existing(
    with_gradient, monkeypatch
):
    arrays = operands(1, 128, 96)
    scores = 128 * 96

    def largest():
        def total(arrays):
            # A new function for every call: JAX keeps what it traced before.
            return attention(*arrays, blocks=(16, 8)).sum()

        return largest_array(jax.grad(total) if with_gradient else total, arrays)

    monkeypatch.setattr(module, "DENSE_SCORES", scores)
    assert largest() >= scores
    monkeypatch.setattr(module, "DENSE_SCORES", scores - 1)
    assert largest() < scores / 8


def test_the_switch_counts_scores_over_the_batch():
    side = 2**12
    assert not module.chooses_chunks(1, side, side)
    assert module.chooses_chunks(1, side, side + 1)
    assert module.chooses_chunks(2, side, side)
    assert side**2 == module.DENSE_SCORES


def test_a_path_may_be_chosen_against_the_size(monkeypatch):
    arrays = operands(1, 32, 32)
    run = partial(attention, blocks=(4, 4))
    assert largest_array(partial(run, path="chunked"), *arrays) < 32 * 32
    monkeypatch.setattr(module, "DENSE_SCORES", 0)
    assert largest_array(partial(run, path="dense"), *arrays) >= 32 * 32


def test_an_unknown_path_is_refused(monkeypatch):
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)
    with pytest.raises(ValueError, match=r"'dense', 'chunked'\), got 'flash'"):
        attention(*operands(), path="flash")


@pytest.mark.parametrize("blocks", [(0, 4), (4, -1)])
def test_blocks_that_are_not_positive_are_refused(blocks):
    with pytest.raises(ValueError, match="blocks must be positive, got"):
        attention(*operands(), path="chunked", blocks=blocks)
