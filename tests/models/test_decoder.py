import jax
import jax.numpy as jnp
import numpy as np
import numpy_adain
import pytest

from styleflax.models.vgg import DECODER_LAYERS, Decoder

CHANNELS = numpy_adain.ENCODER_WIDTHS[3]


def narrow(**settings):
    return Decoder(width=numpy_adain.WIDTH, **settings)


def features_of(height, width, number=1):
    rng = np.random.default_rng(3)
    shape = (number, height, width, CHANNELS)
    return jnp.asarray(np.maximum(rng.normal(size=shape), 0), jnp.float32)


def test_parameter_count_is_pinned():
    features = jax.ShapeDtypeStruct((1, 2, 2, 512), jnp.float32)
    variables = jax.eval_shape(Decoder().init, jax.random.key(0), features)
    sizes = [leaf.size for leaf in jax.tree.leaves(variables)]
    assert sum(sizes) == 3_505_219
    assert set(variables["params"]) == set(DECODER_LAYERS)


@pytest.mark.parametrize("native", [False, True])
@pytest.mark.parametrize("side", [(1, 2), (3, 5)])
def test_images_agree_with_float64(side, native):
    params, features = numpy_adain.random_decoder(), features_of(*side, number=2)
    image = jax.jit(narrow(native=native).apply)({"params": params}, features)
    expected = numpy_adain.decode(params, features)
    assert image.shape == (2, 8 * side[0], 8 * side[1], 3)
    np.testing.assert_allclose(image, expected, atol=1e-5 * np.abs(expected).max())


def test_flipped_features_of_flipped_filters_give_the_flipped_image():
    params, features = numpy_adain.random_decoder(), features_of(2, 3)
    flipped = {
        name: {**conv, "kernel": conv["kernel"][:, ::-1]}
        for name, conv in params.items()
    }
    apply = jax.jit(narrow().apply)
    image = apply({"params": params}, features)
    mirrored = apply({"params": flipped}, features[:, :, ::-1])
    np.testing.assert_allclose(mirrored[:, :, ::-1], image, atol=1e-5)


def test_jit_equals_eager_and_compiles_once_per_shape():
    params, features = numpy_adain.random_decoder(), features_of(2, 3, number=2)
    # The library's own convolution without jit has its own test, as its gradient has.
    decoder = narrow(native=True)
    compiled = jax.jit(lambda features: decoder.apply({"params": params}, features))
    for batch in (features[::-1], features):
        image = compiled(batch)
    eager = decoder.apply({"params": params}, features)
    np.testing.assert_allclose(image, eager, rtol=1e-5, atol=1e-5)
    assert compiled._cache_size() == 1


def test_bfloat16_images_are_float32_near_those_of_float32():
    params, features = numpy_adain.random_decoder(), features_of(3, 3)
    exact, rough = (
        jax.jit(narrow(dtype=dtype).apply)({"params": params}, features)
        for dtype in (jnp.float32, jnp.bfloat16)
    )
    assert rough.dtype == jnp.float32
    assert bool(jnp.isfinite(rough).all())
    error = float(jnp.linalg.norm(rough - exact) / jnp.linalg.norm(exact))
    assert 0 < error < 0.03


def test_gradient_of_zero_features_is_finite():
    decoder, params = narrow(native=True), numpy_adain.random_decoder()

    def total(params):
        features = jnp.zeros((1, 2, 2, CHANNELS))
        return decoder.apply({"params": params}, features).sum()

    gradient = jax.jit(jax.grad(total))(params)
    assert all(bool(jnp.isfinite(g).all()) for g in jax.tree.leaves(gradient))
