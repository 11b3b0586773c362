import jax
import jax.numpy as jnp
import numpy as np
import numpy_adain
import numpy_sanet
import pytest

from styleflax.models.normalization import extend_params

WHOLE = numpy_sanet.random_encoder()
SHALLOW = {name: WHOLE[name] for name in numpy_adain.VGG16_TO_RELU4_1 if name in WHOLE}
DEEPER = ("conv4_2", "conv4_3", "conv5_1")


def rescale(params, seed=3):
    """The same network with every filter divided by a number, and those numbers."""
    rng = np.random.default_rng(seed)
    rescaled, sizes, previous = {}, {}, np.ones(3)
    for name, conv in params.items():
        size = sizes[name] = rng.uniform(0.3, 3.0, conv["bias"].shape)
        rescaled[name] = {
            "kernel": (conv["kernel"] * previous[:, None] / size).astype("f4"),
            "bias": (conv["bias"] / size).astype("f4"),
        }
        previous = size
    return rescaled, sizes


@pytest.fixture(scope="module")
def rescaled():
    return rescale(SHALLOW)[0]


def deep_features(params):
    return numpy_sanet.encode(params, numpy_adain.random_images(20, 33))


def test_deeper_layers_compute_what_the_original_computes(rescaled):
    extended = extend_params(rescaled, WHOLE)
    assert list(extended) == list(WHOLE)
    found, expected = deep_features(extended), deep_features(WHOLE)
    for layer in ("relu4_2", "relu4_3", "relu5_1"):
        np.testing.assert_allclose(
            found[layer], expected[layer], atol=1e-5 * expected[layer].max()
        )


def test_the_given_layers_stay_to_the_bit(rescaled):
    extended = extend_params(rescaled, WHOLE)
    for name in rescaled:
        assert extended[name] is rescaled[name]
    for name in DEEPER[1:]:
        assert extended[name] is WHOLE[name]
    sizes = rescale(SHALLOW)[1]["conv4_1"]
    expected = WHOLE["conv4_2"]["kernel"] * sizes[:, None]
    np.testing.assert_allclose(extended["conv4_2"]["kernel"], expected, rtol=1e-5)


def test_rounding_to_float16_does_not_hide_the_scales(rescaled):
    rounded = jax.tree.map(lambda x: x.astype("f2").astype("f4"), rescaled)
    found = deep_features(extend_params(rounded, WHOLE))["relu5_1"]
    expected = deep_features(WHOLE)["relu5_1"]
    assert np.linalg.norm(found - expected) < 0.01 * np.linalg.norm(expected)


def test_an_encoder_as_deep_as_the_original_stays(rescaled):
    extended = extend_params(rescaled, SHALLOW)
    assert all(extended[name] is rescaled[name] for name in SHALLOW)


def test_a_filter_that_is_zero_in_both_is_finite():
    kernel = WHOLE["conv1_2"]["kernel"].copy()
    kernel[..., 1] = 0.0
    whole = {**WHOLE, "conv1_2": {**WHOLE["conv1_2"], "kernel": kernel}}
    shallow = {name: whole[name] for name in SHALLOW}
    extended = extend_params(shallow, whole)
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(extended))


def test_arrays_of_jax_do_as_well(rescaled):
    on_device = jax.tree.map(jnp.asarray, rescaled)
    extended = extend_params(on_device, jax.tree.map(jnp.asarray, WHOLE))
    expected = extend_params(rescaled, WHOLE)["conv4_2"]["kernel"]
    np.testing.assert_allclose(extended["conv4_2"]["kernel"], expected, rtol=1e-6)


def test_an_encoder_that_is_no_rescaled_part_is_refused(rescaled):
    other = {**rescaled, "conv2_1": numpy_sanet.random_encoder(seed=9)["conv2_1"]}
    with pytest.raises(ValueError, match="conv2_1 is not a rescaled copy"):
        extend_params(other, WHOLE)
    with pytest.raises(
        ValueError, match="conv3_2 is missing in the encoder to extend from"
    ):
        extend_params({**rescaled, "conv3_2": rescaled["conv1_1"]}, WHOLE)
    with pytest.raises(
        ValueError, match="conv6_1 is missing in the encoder to extend from"
    ):
        extend_params({**rescaled, "conv6_1": rescaled["conv1_1"]}, WHOLE)
