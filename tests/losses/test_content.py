import jax
import jax.numpy as jnp
import numpy as np
import numpy_adain
import pytest

from styleflax.losses.perceptual import mse_loss
from styleflax.losses.pixels import pixel_loss

RNG = np.random.default_rng(0)


def test_loss_of_known_values():
    x, target = jnp.array([[1.0, 2.0]]), jnp.array([[3.0, 2.0]])
    assert float(mse_loss(x, target)) == 2.0


@pytest.mark.parametrize("dtype", [jnp.float32, jnp.bfloat16])
def test_loss_agrees_with_float64(dtype):
    x, y = (jnp.asarray(RNG.normal(size=(2, 5, 7, 3)), dtype) for _ in range(2))
    loss = mse_loss(x, y)
    expected = np.mean((np.asarray(x, float) - np.asarray(y, float)) ** 2)
    assert loss.dtype == jnp.float32
    assert float(loss) == pytest.approx(expected, rel=1e-5)


def test_loss_and_gradient_vanish_for_equal_inputs():
    x = jnp.asarray(RNG.normal(size=(1, 4, 4, 2)), jnp.float32)
    loss, gradient = jax.value_and_grad(mse_loss)(x, x)
    assert float(loss) == 0.0
    np.testing.assert_array_equal(gradient, 0.0)


def test_loss_of_a_batch_is_the_mean_of_its_halves():
    x, y = (jnp.asarray(RNG.normal(size=(2, 4, 4, 3)), jnp.float32) for _ in range(2))
    halves = [mse_loss(x[i : i + 1], y[i : i + 1]) for i in range(2)]
    assert float(mse_loss(x, y)) == pytest.approx(float(sum(halves)) / 2, rel=1e-6)


def test_pixel_loss_of_grays_is_the_squared_difference():
    image, target = jnp.full((1, 2, 2, 3), 0.75), jnp.full((1, 2, 2, 3), 0.25)
    assert float(pixel_loss(image, target)) == pytest.approx(0.25, rel=1e-5)


def test_pixel_loss_agrees_with_float64_and_is_a_mean_over_the_batch():
    x, y = (jnp.asarray(RNG.uniform(size=(2, 5, 7, 3)), jnp.float32) for _ in "xy")
    loss = float(pixel_loss(x, y))
    assert loss == pytest.approx(numpy_adain.pixel_loss(x, y), rel=1e-5)
    halves = [pixel_loss(x[i : i + 1], y[i : i + 1]) for i in range(2)]
    assert loss == pytest.approx(float(sum(halves)) / 2, rel=1e-6)


def test_pixel_loss_without_weight_of_color_sees_luma_alone():
    image = jnp.array([0.0, 0.114, -0.587]).reshape(1, 1, 1, 3) + 0.5
    target = jnp.full((1, 1, 1, 3), 0.5)
    loss = float(pixel_loss(image, target, chroma_weight=0.0))
    assert loss == pytest.approx(0.0, abs=1e-12)
    assert float(pixel_loss(image, target)) > 0.1


def test_pixel_loss_and_gradient_vanish_for_equal_pictures():
    x = jnp.full((1, 2, 2, 3), 0.3)
    loss, gradient = jax.value_and_grad(pixel_loss)(x, x)
    assert float(loss) == 0.0
    np.testing.assert_array_equal(gradient, 0.0)
