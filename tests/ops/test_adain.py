import jax
import jax.numpy as jnp
import numpy as np
import numpy_adain
import pytest

from styleflax.ops import statistics
from styleflax.ops.statistics import rescale

# One program each: compiling every operation alone takes far longer.
adain = jax.jit(statistics.adain, static_argnames=("ddof", "eps"))
channel_mean_std = jax.jit(statistics.channel_mean_std, static_argnames=("ddof", "eps"))
RNG = np.random.default_rng(1)
SHAPES = [(1, 2, 2, 3), (2, 5, 7, 4), (1, 16, 16, 2)]


def pair(shape):
    content = jnp.asarray(RNG.normal(1.0, 2.0, shape), "f4")
    style = jnp.asarray(RNG.normal(-3.0, 0.5, (shape[0], 4, 9, shape[3])), "f4")
    return content, style


def test_two_positions_move_to_the_mean_plus_and_minus_the_deviation():
    content = jnp.array([0.0, 2.0]).reshape(1, 1, 2, 1)
    moved = adain(content, jnp.array([[10.0]]), jnp.array([[3.0]]), eps=0.0)
    np.testing.assert_array_equal(moved.ravel(), [7.0, 13.0])


@pytest.mark.parametrize("ddof", [0, 1])
@pytest.mark.parametrize("shape", SHAPES)
def test_adain_agrees_with_float64_at_any_strength(shape, ddof):
    content, style = pair(shape)
    target = channel_mean_std(style, ddof=ddof)
    for alpha in (0.0, 0.3, 1.0):
        got = adain(content, *target, alpha=alpha, ddof=ddof)
        expected = numpy_adain.adain(content, style, alpha, ddof)
        np.testing.assert_allclose(got, expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("shape", [*SHAPES, (1, 1, 1, 3)])
def test_adain_of_identical_inputs_is_identity(shape):
    content, _ = pair(shape)
    moved = adain(content, *channel_mean_std(content))
    np.testing.assert_allclose(moved, content, rtol=1e-5, atol=1e-5)


def test_alpha_zero_returns_the_content():
    content, style = pair((2, 5, 7, 4))
    moved = adain(content, *channel_mean_std(style), alpha=0.0)
    np.testing.assert_array_equal(moved, content)


@pytest.mark.parametrize("ddof", [0, 1])
def test_output_has_the_statistics_of_the_style(ddof):
    content, style = pair((2, 12, 11, 4))
    target = channel_mean_std(style, ddof=ddof)
    moved = adain(content, *target, ddof=ddof)
    for got, expected in zip(channel_mean_std(moved, ddof=ddof), target, strict=True):
        np.testing.assert_allclose(got, expected, rtol=1e-4)


def test_adain_ignores_scale_and_shift_of_the_content():
    content, style = pair((1, 8, 8, 3))
    target = channel_mean_std(style)
    moved = adain(content, *target, eps=0.0)
    again = adain(5.0 * content - 2.0, *target, eps=0.0)
    np.testing.assert_allclose(again, moved, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("side", [1, 4])
def test_gradient_is_finite_for_constant_content(side):
    content = jnp.full((1, side, side, 2), 0.3)
    target = (jnp.ones((1, 2)), jnp.full((1, 2), 2.0))

    def total(content):
        moved = adain(content, *target)
        return (moved * np.arange(moved.size).reshape(moved.shape)).sum()

    value, gradient = jax.jit(jax.value_and_grad(total))(content)
    assert np.isfinite(value)
    assert np.isfinite(gradient).all()


def test_bfloat16_content_gives_float32():
    content, style = pair((1, 8, 8, 3))
    moved = adain(content.astype(jnp.bfloat16), *channel_mean_std(style))
    assert moved.dtype == jnp.float32
    expected = numpy_adain.adain(content.astype(jnp.bfloat16), style)
    np.testing.assert_allclose(moved, expected, rtol=1e-4, atol=1e-4)


def test_a_single_target_serves_a_batch():
    content, style = pair((2, 5, 5, 3))
    of_content = channel_mean_std(content)
    mean, std = (v[:1] for v in channel_mean_std(style))
    moved = rescale(content, *of_content, mean, std)
    both = (jnp.concatenate([v, v]) for v in (mean, std))
    np.testing.assert_array_equal(moved, rescale(content, *of_content, *both))


def test_strength_may_be_traced_without_compiling_again():
    content, style = pair((1, 4, 4, 3))
    target = channel_mean_std(style)
    compiled = jax.jit(lambda alpha: statistics.adain(content, *target, alpha=alpha))
    for alpha in (0.0, 0.5, 1.0):
        expected = statistics.adain(content, *target, alpha=alpha)
        np.testing.assert_allclose(
            compiled(jnp.float32(alpha)), expected, rtol=1e-5, atol=1e-6
        )
    assert compiled._cache_size() == 1
