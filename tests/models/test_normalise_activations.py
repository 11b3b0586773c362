import jax
import jax.numpy as jnp
import numpy as np
import numpy_adain
import pytest

from styleflax.models.normalization import normalize_activations
from styleflax.models.vgg import VGG

LAYERS = ("relu1_1", "relu1_2", "relu2_1")
IMAGES = jnp.asarray(numpy_adain.random_images(16, 20, number=5))
encode = jax.jit(VGG(LAYERS, widths=numpy_adain.ENCODER_WIDTHS).apply)


@pytest.fixture(scope="module")
def params():
    """An encoder whose every filter fires somewhere."""
    drawn = numpy_adain.random_encoder(numpy_adain.VGG16_TO_RELU4_1[:4])
    return {
        name: {"kernel": 0.2 * conv["kernel"], "bias": np.abs(conv["bias"]) + 1.0}
        for name, conv in drawn.items()
    }


@pytest.fixture(scope="module", params=["rms", "mean"])
def statistic(request):
    return request.param


@pytest.fixture(scope="module")
def rescaled(params, statistic):
    return normalize_activations(params, IMAGES, statistic)


def features_of(params):
    features = encode({"params": params}, IMAGES)
    return {layer: np.asarray(f, float) for layer, f in features.items()}


def statistics_of(params, statistic):
    power = {"rms": 2, "mean": 1}[statistic]
    return {
        layer: np.mean(f**power, axis=(0, 1, 2)) ** (1 / power)
        for layer, f in features_of(params).items()
    }


def test_statistics_become_one(params, rescaled, statistic):
    before = statistics_of(params, statistic)
    assert all((s > 0.1 * s.mean()).all() for s in before.values())
    for of_layer in statistics_of(rescaled, statistic).values():
        np.testing.assert_allclose(of_layer, 1.0, rtol=1e-4)


def test_features_change_by_a_factor_per_channel_only(params, rescaled, statistic):
    scales = statistics_of(params, statistic)
    before, after = features_of(params), features_of(rescaled)
    for layer in LAYERS:
        expected = before[layer] / scales[layer]
        np.testing.assert_allclose(after[layer], expected, rtol=1e-4, atol=1e-5)


def test_it_is_exact_for_pictures_that_were_not_measured(params):
    rescaled = normalize_activations(params, 0.5 * IMAGES[:2])
    before, after = (features_of(p)["relu2_1"] for p in (params, rescaled))
    ratio = before.sum((0, 1, 2)) / after.sum((0, 1, 2))
    np.testing.assert_allclose(after * ratio, before, rtol=1e-4, atol=1e-5)


def test_batch_size_does_not_matter_and_rms_is_the_default(params, rescaled, statistic):
    got = normalize_activations(params, IMAGES, batch_size=2)
    close = [
        np.allclose(a, b, rtol=1e-5, atol=0)
        for a, b in zip(jax.tree.leaves(got), jax.tree.leaves(rescaled), strict=True)
    ]
    assert all(close) if statistic == "rms" else not any(close)


def test_a_dead_filter_does_not_explode(params):
    dead = {name: leaf.copy() for name, leaf in params["conv1_2"].items()}
    dead["kernel"][..., 0] = 0.0
    dead["bias"][0] = -1.0
    params = {**params, "conv1_2": dead}
    size = statistics_of(params, "rms")["relu1_2"]
    assert size[0] == 0.0
    rescaled = normalize_activations(params, IMAGES, floor=0.25)
    assert rescaled["conv1_2"]["bias"][0] == pytest.approx(
        -1.0 / (0.25 * size.mean()), rel=1e-4
    )
    expected = features_of(params)["relu2_1"]
    expected = expected / statistics_of(params, "rms")["relu2_1"]
    after = features_of(rescaled)["relu2_1"]
    np.testing.assert_allclose(after, expected, rtol=1e-4, atol=1e-5)


def test_a_layer_that_never_fires_stays_finite(params):
    bias = np.full_like(params["conv1_2"]["bias"], -1e3)
    silent = {**params, "conv1_2": {**params["conv1_2"], "bias": bias}}
    rescaled = normalize_activations(silent, IMAGES)
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(rescaled))
    assert all(np.isfinite(f).all() for f in features_of(rescaled).values())


def test_the_first_convolution_of_the_normalized_vgg19_stays():
    encoder = VGG(
        ("relu1_1",), "vgg19", "normalised", widths=numpy_adain.ENCODER_WIDTHS
    )
    params = jax.jit(encoder.init)(jax.random.key(0), IMAGES)["params"]
    rescaled = normalize_activations(params, IMAGES)
    assert set(rescaled) == set(params)
    assert rescaled["preprocess"] is params["preprocess"]


def test_parameters_given_are_not_written_to(params):
    copies = jax.tree.map(np.array, params)
    normalize_activations(params, IMAGES)
    for a, b in zip(jax.tree.leaves(params), jax.tree.leaves(copies), strict=True):
        np.testing.assert_array_equal(a, b)


def test_an_unknown_statistic_is_refused(params):
    with pytest.raises(ValueError, match="'rms' or 'mean', got 'median'"):
        normalize_activations(params, IMAGES, "median")
