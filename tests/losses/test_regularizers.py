import jax
import jax.numpy as jnp
import numpy as np
import pytest

from styleflax.losses.content import (
    REGULARIZERS,
    out_of_range_loss,
    regularize,
    total_variation_loss,
)

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


@pytest.mark.parametrize("loss", REGULARIZERS.values(), ids=REGULARIZERS)
def test_loss_of_a_batch_is_the_mean_of_its_halves(loss):
    images = 3.0 * random_images() - 1.0
    halves = [loss(images[i : i + 1]) for i in range(2)]
    assert float(loss(images)) == pytest.approx(float(sum(halves)) / 2, rel=1e-6)


def test_values_out_of_range_agree_with_float64():
    images = 3.0 * random_images() - 1.0
    x = np.asarray(images, float)
    beyond = np.maximum(x - 1.0, 0.0) + np.maximum(-x, 0.0)
    assert float(out_of_range_loss(images)) == pytest.approx((beyond**2).mean(), 1e-5)


def test_only_values_out_of_range_are_pulled_back():
    image = jnp.array([-0.5, 0.0, 0.3, 1.0, 1.25, 0.7]).reshape(1, 2, 1, 3)
    loss, gradient = jax.value_and_grad(out_of_range_loss)(image)
    assert float(loss) == pytest.approx((0.25 + 0.0625) / 6)
    expected = np.array([-0.5, 0, 0, 0, 0.25, 0]) * 2 / 6
    np.testing.assert_allclose(np.ravel(gradient), expected, rtol=1e-6)


def test_regularizers_without_a_weight_are_not_computed():
    images = random_images()
    assert regularize(images, {"content": 1.0}) == {}
    found = regularize(images, {"out_of_range": 1.0, "content": 1.0})
    assert {k: float(v) for k, v in found.items()} == {"out_of_range": 0.0}
