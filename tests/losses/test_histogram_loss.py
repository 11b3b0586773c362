import jax
import jax.numpy as jnp
import numpy as np
import pytest

from styleflax.losses.distributions import (
    histogram_loss,
    resample_sorted,
    sorted_channels,
)

RNG = np.random.default_rng(0)
loss = jax.jit(lambda x, y: histogram_loss(x, sorted_channels(y)))


def feature_map(height, width, channels=3):
    shape = (2, height, width, channels)
    return jnp.asarray(RNG.normal(size=shape), jnp.float32)


def matched(x, y):
    """What histogram matching makes of one channel, in float64."""
    x, y = (np.asarray(z, float).ravel() for z in (x, y))
    ranks = np.argsort(np.argsort(x))
    middles = (np.arange(y.size) + 0.5) / y.size
    return np.interp((ranks + 0.5) / x.size, middles, np.sort(y))


def expected(x, y):
    apart = [
        x[b, :, :, c].ravel() - matched(x[b, :, :, c], y[b, :, :, c])
        for b in range(x.shape[0])
        for c in range(x.shape[3])
    ]
    return np.mean(np.square(apart))


def test_loss_of_known_values():
    # 3, 1, 2 are to become 30, 10, 20.
    x = jnp.array([3.0, 1.0, 2.0]).reshape(1, 1, 3, 1)
    y = jnp.array([10.0, 30.0, 20.0]).reshape(1, 3, 1, 1)
    assert float(loss(x, y)) == pytest.approx((27**2 + 9**2 + 18**2) / 3, rel=1e-6)


@pytest.mark.parametrize("side", [(3, 4), (2, 5), (6, 7), (1, 1)])
def test_loss_agrees_with_float64_at_equal_and_other_sizes(side):
    x, y = feature_map(3, 4), feature_map(*side)
    assert float(loss(x, y)) == pytest.approx(expected(x, y), rel=1e-5)


def test_equal_sizes_are_matched_value_by_value():
    values = jnp.sort(feature_map(1, 6).reshape(2, 3, 6), axis=2)
    np.testing.assert_array_equal(resample_sorted(values, 6), values)


def test_where_values_lie_does_not_matter():
    x, y = feature_map(3, 4), feature_map(2, 5)
    flipped = x[:, ::-1, ::-1]
    assert float(loss(flipped, y)) == pytest.approx(float(loss(x, y)), rel=1e-6)
    assert float(loss(x, x[:, ::-1])) == 0.0


def test_gradient_leads_to_what_each_value_is_matched_with_and_not_to_the_style():
    x, y = feature_map(3, 4)[:1, :, :, :1], feature_map(3, 5)[:1, :, :, :1]
    to_output, to_style = jax.grad(loss, argnums=(0, 1))(x, y)
    way = 2 * (np.asarray(x, float).ravel() - matched(x, y)) / x.size
    np.testing.assert_allclose(np.ravel(to_output), way, rtol=1e-4, atol=1e-6)
    np.testing.assert_array_equal(to_style, 0.0)


def test_gradient_is_finite_where_all_values_are_equal():
    x = jnp.full((1, 2, 2, 2), 0.5)
    for style in (x, jnp.ones((1, 3, 3, 2))):
        assert bool(jnp.isfinite(jax.grad(loss)(x, style)).all())
