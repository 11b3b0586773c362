import jax
import jax.numpy as jnp
import numpy as np
import pytest

from styleflax.losses.patches import adversarial_loss, critic_loss

RNG = np.random.default_rng(0)
STYLE = jnp.asarray(RNG.normal(size=(2, 3, 4)), jnp.float32)
OUTPUT = jnp.asarray(RNG.normal(size=(2, 5, 2)), jnp.float32)


def test_losses_of_known_values():
    style, output = jnp.array([[[2.0, 0.5]]]), jnp.array([[[-3.0, 1.0]]])
    assert float(critic_loss(style, output)) == (0.5 + 2.0) / 2
    assert float(adversarial_loss(output)) == 1.0


def test_losses_agree_with_float64():
    style, output = (np.asarray(x, float) for x in (STYLE, OUTPUT))
    hinges = np.clip(1 - style, 0, None).mean() + np.clip(1 + output, 0, None).mean()
    assert float(critic_loss(STYLE, OUTPUT)) == pytest.approx(hinges, rel=1e-6)
    assert float(adversarial_loss(OUTPUT)) == pytest.approx(-output.mean(), rel=1e-5)


def test_where_patches_lie_does_not_matter():
    flipped = (STYLE[:, ::-1], OUTPUT[:, :, ::-1])
    expected = float(critic_loss(STYLE, OUTPUT))
    assert float(critic_loss(*flipped)) == pytest.approx(expected, rel=1e-6)


def test_gradient_is_finite_at_the_hinges_and_none_beyond_them():
    at = jax.grad(critic_loss, argnums=(0, 1))
    for ways in (at(jnp.ones((1, 2, 2)), -jnp.ones((1, 2, 2))),):
        assert all(bool(jnp.isfinite(way).all()) for way in ways)
    for way in at(jnp.full((1, 2, 2), 1.5), jnp.full((1, 2, 2), -1.5)):
        np.testing.assert_array_equal(way, 0.0)
