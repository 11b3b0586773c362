import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.signal import correlate

from styleflax.evaluation.metrics import lpips as networks

network_features = jax.jit(networks.network_features, static_argnums=(2, 3))


def convolved(x, params, stride, padding):
    """The ReLU of a convolution, in float64 by SciPy."""
    padded = np.pad(x, ((padding, padding), (padding, padding), (0, 0)))
    kernel = np.asarray(params["kernel"], np.float64)
    maps = [
        correlate(padded, kernel[..., i], mode="valid")[::stride, ::stride, 0]
        for i in range(kernel.shape[-1])
    ]
    return np.maximum(np.stack(maps, axis=-1) + params["bias"], 0)


def test_alexnets_first_layer_is_what_scipy_makes_of_it(photos):
    params = networks.load_network("alexnet")
    photo = photos(64)[0]
    got = network_features(params, photo[None], "alexnet", ("relu1",))
    normalized = (photo - [0.485, 0.456, 0.406]) / [0.229, 0.224, 0.225]
    want = convolved(normalized, params["conv1"], 4, 2)
    np.testing.assert_allclose(got["relu1"][0], want, atol=1e-4)


def test_vgg_is_padded_with_zeros(photos):
    params = networks.load_network("vgg16")
    photo = photos(32)[0]
    got = network_features(params, photo[None], "vgg16", ("relu1_2",))
    normalized = (photo - [0.485, 0.456, 0.406]) / [0.229, 0.224, 0.225]
    want = convolved(
        convolved(normalized, params["conv1_1"], 1, 1), params["conv1_2"], 1, 1
    )
    np.testing.assert_allclose(got["relu1_2"][0], want, atol=1e-4)


@pytest.mark.parametrize(
    ("network", "sides", "channels"),
    [
        ("vgg16", (64, 32, 16, 8, 4), (64, 128, 256, 512, 512)),
        ("alexnet", (15, 7, 3, 3, 3), (64, 192, 384, 256, 256)),
    ],
)
def test_features_have_the_published_sizes(network, sides, channels):
    params = networks.load_network(network)
    layers = networks.LPIPS_LAYERS[network]
    got = network_features(params, jnp.ones((2, 64, 64, 3)), network, layers)
    sizes = [(2, side, side, c) for side, c in zip(sides, channels, strict=True)]
    assert [got[layer].shape for layer in layers] == sizes
    assert len(got) == len(layers)


def test_unknown_names_are_refused():
    with pytest.raises(ValueError, match=r"network must be one of .*got 'vgg19'"):
        networks.load_network("vgg19")
    with pytest.raises(ValueError, match=r"layers \['relu9'\] are not in alexnet"):
        networks.network_features({}, jnp.ones((1, 8, 8, 3)), "alexnet", ["relu9"])


def test_pictures_without_a_position_left_are_refused():
    params = networks.load_network("alexnet")
    small = jnp.ones((1, 16, 16, 3))
    with pytest.raises(ValueError, match="too small"):
        networks.network_features(params, small, "alexnet", ["relu5"])
