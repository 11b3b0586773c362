"""A decoder fitted to undo the encoder, without training."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from styleflax.models import inversion
from styleflax.models.inversion import invert_encoder
from styleflax.models.vgg import DECODER_LAYERS, VGG, Decoder, scale_widths

WIDTH = 0.125


@pytest.fixture(scope="module")
def encoder():
    """He's initialization."""
    network = VGG(("relu4_1",), widths=scale_widths(WIDTH))
    image = jnp.zeros((1, 8, 8, 3))
    shapes = jax.eval_shape(network.init, jax.random.key(0), image)["params"]
    rng = np.random.default_rng(4)

    def draw(leaf):
        scale = np.sqrt(2 / np.prod(leaf.shape[:-1])) if leaf.ndim > 1 else 0.0
        return np.float32(scale * rng.standard_normal(leaf.shape))

    return jax.tree.map(draw, shapes)


def smooth_images(seed, count, side=32):
    """Random colors on a coarse grid, magnified."""
    coarse = np.random.default_rng(seed).random((count, side // 16, side // 16, 3))
    shape = (count, side, side, 3)
    return jax.image.resize(jnp.asarray(coarse, jnp.float32), shape, "cubic")


def reconstruct(encoder_params, decoder_params, images):
    layer = "relu4_1"
    encoder = VGG.of_params(encoder_params, (layer,))

    @jax.jit
    def run(encoder_params, decoder_params):
        feature = encoder.apply({"params": encoder_params}, images)[layer]
        return Decoder(width=WIDTH).apply({"params": decoder_params}, feature)

    return run(encoder_params, decoder_params)


@pytest.fixture(scope="module")
def decoder_params(encoder):
    return invert_encoder(encoder, smooth_images(0, 96))


def test_a_picture_that_was_not_fitted_comes_back(encoder, decoder_params):
    unseen = smooth_images(1, 4)
    error = jnp.square(reconstruct(encoder, decoder_params, unseen) - unseen)
    assert float(error.mean()) < 0.5 * float(unseen.var())


def test_layers_have_the_names_of_the_decoders(decoder_params):
    assert list(decoder_params) == list(DECODER_LAYERS)


def test_the_fit_is_ridge_regression_as_numpy_has_it():
    rng = np.random.default_rng(2)
    x, target = rng.random((1, 6, 7, 2)), rng.random((1, 6, 7, 3))
    padded = np.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)), mode="reflect")
    rows = [
        np.append(padded[0, i : i + 3, j : j + 3].ravel(), 1.0)
        for i in range(6)
        for j in range(7)
    ]
    rows = np.array(rows)
    penalty = 0.1 * np.trace(rows.T @ rows) / 19 * np.diag([1.0] * 18 + [0.0])
    want = np.linalg.solve(rows.T @ rows + penalty, rows.T @ target.reshape(-1, 3))
    maps, wanted = (jnp.asarray(v, jnp.float32) for v in (x, target))
    fitted = inversion._fit([maps], [wanted], False, 1_000, 0.1)
    got = np.append(fitted["kernel"].reshape(18, 3), fitted["bias"][None], axis=0)
    np.testing.assert_allclose(got, want, atol=2e-4)


def test_the_same_pictures_give_the_same_decoder(encoder, decoder_params):
    again = invert_encoder(encoder, smooth_images(0, 96))
    jax.tree.map(np.testing.assert_array_equal, decoder_params, again)


def test_sides_that_the_pools_would_round_are_refused(encoder):
    with pytest.raises(ValueError, match="multiples of 8"):
        invert_encoder(encoder, jnp.zeros((1, 20, 16, 3)))
