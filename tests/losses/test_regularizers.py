import jax
import jax.numpy as jnp
import numpy as np
import pytest

from styleflax.losses.regularizers import total_variation_loss

RNG = np.random.default_rng(0)


def random_images(height=6, width=9, number=2):
    shape = (number, height, width, 3)
    return jnp.asarray(RNG.uniform(size=shape), jnp.float32)


def test_a_ramp_varies_by_the_square_of_its_slope():
    rows, columns = jnp.arange(4.0)[:, None], jnp.arange(5.0)[None, :]
    ramp = (3.0 * rows + 2.0 * columns)[None, :, :, None] * jnp.ones(3)
    assert float(total_variation_loss(ramp)) == pytest.approx(9.0 + 4.0)


def test_loss_agrees_with_float64():
    images = random_images()
    x = np.asarray(images, float)
    rows = np.mean((x[:, 1:] - x[:, :-1]) ** 2)
    columns = np.mean((x[:, :, 1:] - x[:, :, :-1]) ** 2)
    assert float(total_variation_loss(images)) == pytest.approx(rows + columns, 1e-5)


def test_loss_ignores_brightness_and_flips():
    images = random_images()
    expected = float(total_variation_loss(images))
    for other in (images + 0.5, images[:, ::-1], images[:, :, ::-1]):
        assert float(total_variation_loss(other)) == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("side", [(1, 1), (1, 4), (4, 1), (4, 4)])
def test_constant_pictures_of_any_shape_have_loss_and_gradient_zero(side):
    image = jnp.full((1, *side, 3), 0.4)
    loss, gradient = jax.value_and_grad(total_variation_loss)(image)
    assert float(loss) == 0.0
    np.testing.assert_array_equal(gradient, 0.0)


def test_loss_of_a_batch_is_the_mean_of_its_halves():
    images = random_images()
    halves = [total_variation_loss(images[i : i + 1]) for i in range(2)]
    loss = float(total_variation_loss(images))
    assert loss == pytest.approx(float(sum(halves)) / 2, rel=1e-6)
