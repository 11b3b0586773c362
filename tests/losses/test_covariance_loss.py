import jax
import jax.numpy as jnp
import numpy as np
import pytest

from styleflax.losses.distributions import covariance_loss, covariance_matrix
from styleflax.losses.perceptual import STYLE_LOSSES

RNG = np.random.default_rng(0)
KEY = jax.random.key(0)
loss = jax.jit(lambda x, y: covariance_loss(x, covariance_matrix(y)))
gram = jax.jit(
    lambda x, y: STYLE_LOSSES["gram_squared"].evaluate({"a": x}, {"a": y}, KEY)
)


def feature_map(height, width, channels=4):
    shape = (2, height, width, channels)
    return jnp.asarray(RNG.normal(1.0, 2.0, shape), jnp.float32)


def test_loss_of_known_values():
    # Covariances: of 0, 2 and -1, 1 the matrix [[2, 2], [2, 2]]; of 3, 3 and 5, 5 none.
    x = jnp.array([[0.0, -1.0], [2.0, 1.0]]).reshape(1, 1, 2, 2)
    y = jnp.array([[3.0, 5.0], [3.0, 5.0]]).reshape(1, 2, 1, 2)
    assert float(loss(x, y)) == pytest.approx(16 / (4 * 2**2), rel=1e-6)


def test_loss_agrees_with_float64():
    x, y = feature_map(5, 6), feature_map(4, 9)
    expected = []
    for one, other in zip(np.asarray(x, float), np.asarray(y, float), strict=True):
        got, aim = (np.cov(z.reshape(-1, 4), rowvar=False) for z in (one, other))
        expected.append(((got - aim) ** 2).sum() / (4 * 4**2))
    assert float(loss(x, y)) == pytest.approx(np.mean(expected), rel=1e-4)


def test_means_of_channels_do_not_matter_unlike_to_gram():
    x, y = feature_map(5, 6), feature_map(4, 9)
    moved = x + jnp.array([0.0, 1.0, -2.0, 5.0])
    assert float(loss(moved, y)) == pytest.approx(float(loss(x, y)), rel=1e-4)
    assert float(loss(moved, x)) < 1e-8
    assert float(gram(moved, x)) > 1.0


def test_equal_gram_matrices_may_have_different_covariances():
    # 1 everywhere, and 1 and -1 by turns: the same mean square.
    ones = jnp.ones((1, 2, 2, 1))
    turns = jnp.array([1.0, -1.0, -1.0, 1.0]).reshape(1, 2, 2, 1)
    assert float(gram(ones, turns)) == 0.0
    assert float(loss(ones, turns)) == pytest.approx((4 / 3) ** 2 / 4, rel=1e-6)


@pytest.mark.parametrize("side", [1, 3])
def test_gradient_is_finite_where_nothing_varies(side):
    gradient = jax.grad(loss)(jnp.full((1, side, side, 2), 0.5), jnp.ones((1, 2, 2, 2)))
    assert bool(jnp.isfinite(gradient).all())
