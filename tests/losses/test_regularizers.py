import jax
import jax.numpy as jnp
import numpy as np
import pytest

from styleflax.losses import pixels
from styleflax.losses.pixels import regularize

# One program each: compiling every operation alone takes far longer.
grid_loss, out_of_range_loss = (
    jax.jit(pixels.grid_loss),
    jax.jit(pixels.out_of_range_loss),
)
spectrum_loss, total_variation_loss = map(
    jax.jit, (pixels.spectrum_loss, pixels.total_variation_loss)
)
RNG = np.random.default_rng(0)


def random_images(height=6, width=9, number=2):
    shape = (number, height, width, 3)
    return RNG.uniform(size=shape).astype(np.float32)


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
    loss, gradient = jax.jit(jax.value_and_grad(total_variation_loss))(image)
    assert float(loss) == 0.0
    np.testing.assert_array_equal(gradient, 0.0)


@pytest.mark.parametrize(
    "loss", [total_variation_loss, out_of_range_loss, grid_loss, spectrum_loss]
)
def test_loss_of_a_batch_is_the_mean_of_its_halves(loss):
    images = 3.0 * random_images(55, 65) - 1.0
    halves = [loss(images[i : i + 1]) for i in range(2)]
    assert float(loss(images)) == pytest.approx(float(sum(halves)) / 2, rel=1e-6)


def test_values_out_of_range_agree_with_float64():
    images = 3.0 * random_images() - 1.0
    x = np.asarray(images, float)
    beyond = np.maximum(x - 1.0, 0.0) + np.maximum(-x, 0.0)
    assert float(out_of_range_loss(images)) == pytest.approx((beyond**2).mean(), 1e-5)


def test_only_values_out_of_range_are_pulled_back():
    image = jnp.array([-0.5, 0.0, 0.3, 1.0, 1.25, 0.7]).reshape(1, 2, 1, 3)
    loss, gradient = jax.jit(jax.value_and_grad(out_of_range_loss))(image)
    assert float(loss) == pytest.approx((0.25 + 0.0625) / 6)
    expected = np.array([-0.5, 0, 0, 0, 0.25, 0]) * 2 / 6
    np.testing.assert_allclose(np.ravel(gradient), expected, rtol=1e-6)


def test_regularizers_without_a_weight_are_not_computed():
    images = jnp.asarray(random_images())
    assert regularize(images, [images], {"content": 1.0}) == {}
    found = regularize(images, [images], {"out_of_range": 1.0, "content": 1.0})
    assert {k: float(v) for k, v in found.items()} == {"out_of_range": 0.0}


def waves(frequency, height=80, width=100):
    """Returns a gray wave over the columns, in periods per px, and one over rows."""
    wave = 0.5 + 0.1 * np.sin(2 * np.pi * frequency * np.arange(width) + 0.3)
    image = np.broadcast_to(np.float32(wave)[None, :, None], (height, width, 3))
    return image[None], np.swapaxes(image, 0, 1)[None]


@pytest.mark.parametrize("frequency", [0.12, 0.25, 0.31, 0.43, 0.5])
def test_a_pattern_that_no_source_has_counts(frequency):
    image, turned = waves(frequency)
    sources = [0.3 + 0.05 * random_images(50, 70), random_images(33, 33)[:1] ** 9]
    alone = float(spectrum_loss(image, [turned]))
    assert alone > 0.1
    assert float(spectrum_loss(image, sources)) < alone
    assert float(spectrum_loss(image, [turned, image + 0.2])) < 1e-6
    assert float(spectrum_loss(0.5 * image, [turned, image])) < 1e-6


def test_coarse_patterns_hardly_count():
    fine = float(spectrum_loss(waves(1 / 4)[0]))
    assert float(spectrum_loss(waves(1 / 40)[0])) < 0.05 * fine


def test_power_of_fine_patterns_agrees_with_float64():
    image, source = random_images(48, 64, 1), 0.7 * random_images(32, 32, 1)
    taper = np.sin(np.pi * np.arange(32) / 32) ** 2
    taper = np.outer(taper, taper) / (taper**2).sum()

    def power(x):
        x, found = np.asarray(x[0], float), []
        for i in range(0, x.shape[0] - 31, 16):
            for j in range(0, x.shape[1] - 31, 16):
                window = x[i : i + 32, j : j + 32]
                window = (window - window.mean(axis=(0, 1))) * taper[..., None]
                found.append(abs(np.fft.fft2(window, axes=(0, 1))) ** 2)
        return np.mean(found, axis=(0, 3))[:, :17]

    fine = np.hypot(np.fft.fftfreq(32)[:, None], np.arange(17) / 32) > 1 / 9
    excess = np.log(power(image) / np.maximum(power(source), 1e-6))[fine]
    expected = (np.maximum(excess, 0) ** 2).mean()
    assert float(spectrum_loss(image, [source])) == pytest.approx(expected, rel=1e-5)


def test_images_without_a_window_add_nothing():
    image = random_images(31, 90)
    loss, gradient = jax.jit(jax.value_and_grad(spectrum_loss))(
        image, [random_images(64, 64)]
    )
    assert float(loss) == 0.0
    np.testing.assert_array_equal(gradient, 0.0)
    assert float(spectrum_loss(random_images(32, 32), [image])) > 0.0


def test_gradient_of_a_flat_image_is_finite():
    flat = jnp.full((1, 40, 40, 3), 0.5)
    assert float(spectrum_loss(flat)) == 0.0
    assert np.isfinite(jax.jit(jax.grad(spectrum_loss))(flat)).all()


@pytest.mark.parametrize("period", [2, 4, 8])
def test_patterns_of_the_upsampling_grid_count_and_others_hardly(period):
    square = random_images(period, period, 1) - 0.5
    repeated = np.tile(square, (1, 96 // period, 96 // period, 1))
    shuffled = np.random.default_rng(1).permutation(repeated.reshape(-1, 3))
    other = np.tile(square, (1, 20, 20, 1))
    other = other.repeat(3, axis=1).repeat(3, axis=2)[:, :96, :96]
    grid = float(grid_loss(repeated))
    assert float(grid_loss(shuffled.reshape(repeated.shape))) < 0.1 * grid
    assert float(grid_loss(other)) < (0.5 if period == 8 else 0.1) * grid
    assert float(grid_loss(random_images(49, 96, 1))) == 0.0


@pytest.mark.parametrize("side", [96, 128, 149])
def test_patterns_at_every_border_count(side):
    pattern = np.tile(random_images(8, 8, 1) - 0.5, (1, 20, 20, 1))[:, :side, :side]
    for turns in range(4):
        mask = np.zeros((side, side, 1), np.float32)
        mask[:24] = 1
        mask = np.rot90(mask, turns)
        assert float(grid_loss(pattern * mask)) > 0.02 * float(grid_loss(pattern))


def test_gradients_of_brightness_are_no_grid():
    ramp = jnp.linspace(0.0, 1.0, 96)[None, :, None, None] * jnp.ones((1, 96, 96, 3))
    assert float(grid_loss(ramp)) < 1e-10
