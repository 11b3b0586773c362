import jax
import jax.numpy as jnp
import numpy as np
import numpy_adain
import pytest

from styleflax.models.vgg import VGG, cut_params

ARCHITECTURES = {
    "vgg16": numpy_adain.VGG16_TO_RELU4_1,
    "vgg19": numpy_adain.VGG19_TO_RELU4_1,
}
WIDTHS = numpy_adain.ENCODER_WIDTHS
BLOCKS = tuple(f"relu{block}_1" for block in range(1, 6))
SIZES = [(16, 16), (16, 100), (17, 17)]


def narrow(layers=BLOCKS, architecture="vgg16", **settings):
    return VGG(tuple(layers), architecture, widths=WIDTHS, **settings)


def shapes_of(encoder):
    image = jax.ShapeDtypeStruct((1, 16, 16, 3), jnp.float32)
    return jax.eval_shape(encoder.init, jax.random.key(0), image)["params"]


def count(params):
    return sum(leaf.size for leaf in jax.tree.leaves(params))


@pytest.mark.parametrize(
    ("architecture", "convention", "deepest", "number"),
    [
        # Sums of 9 x in x out + out; the 1x1 convolution has 12.
        ("vgg16", "torchvision", "relu5_3", 14_714_688),
        ("vgg19", "torchvision", "relu5_4", 20_024_384),
        ("vgg19", "normalised", "relu5_4", 20_024_396),
        ("vgg19", "normalised", "relu4_1", 3_505_740),
        ("vgg16", "torchvision", "relu4_1", 2_915_648),
    ],
)
def test_parameter_counts_are_pinned(architecture, convention, deepest, number):
    params = shapes_of(VGG((deepest,), architecture, convention))
    assert count(params) == number
    assert ("preprocess" in params) == (convention == "normalised")


@pytest.mark.parametrize("architecture", ["vgg16", "vgg19"])
def test_features_agree_with_float64(architecture):
    names = ARCHITECTURES[architecture]
    params = numpy_adain.random_encoder(names)
    images = numpy_adain.random_images(17, 22, number=2)
    expected = numpy_adain.encode(params, images, names)
    encoder = VGG.of_params(params, tuple(expected))
    # Without conv3_4 the two would be the same network.
    assert encoder.architecture == architecture
    features = jax.jit(encoder.apply)({"params": params}, images)
    assert list(features) == list(expected)
    for layer, feature in features.items():
        scale = np.abs(expected[layer]).max()
        np.testing.assert_allclose(feature, expected[layer], atol=1e-5 * scale)


@pytest.mark.parametrize(("height", "width"), SIZES)
def test_feature_sizes_are_halves_rounded_up(height, width):
    image = jax.ShapeDtypeStruct((2, height, width, 3), jnp.float32)
    params = {"params": shapes_of(narrow())}
    features = jax.eval_shape(narrow().apply, params, image)
    for block, layer in enumerate(BLOCKS):
        sides = (-(-height // 2**block), -(-width // 2**block))
        assert features[layer].shape == (2, *sides, WIDTHS[block])


def test_only_layers_asked_for_come_and_none_is_deeper():
    encoder = narrow(("relu3_1", "relu1_2"))
    params = shapes_of(encoder)
    assert list(params) == ["conv1_1", "conv1_2", "conv2_1", "conv2_2", "conv3_1"]
    image = jax.ShapeDtypeStruct((1, 16, 16, 3), jnp.float32)
    features = jax.eval_shape(encoder.apply, {"params": params}, image)
    assert set(features) == {"relu3_1", "relu1_2"}


@pytest.mark.parametrize(
    "layers", [("relu6_1",), ("relu3_4",), ("conv4_x",), ("relu1_1", "conv4_2"), ()]
)
def test_unknown_layers_are_refused_with_those_there_are(layers):
    with pytest.raises(ValueError, match=r"vgg16 has no layers .* relu1_1, relu1_2"):
        VGG(layers).depth()


def test_torchvision_inputs_are_standardized():
    image = jnp.array([0.485, 0.456, 0.406]).reshape(1, 1, 1, 3)
    image = jnp.concatenate([image, image + jnp.array([0.229, 0.224, 0.225])], axis=2)
    inputs = narrow(("relu1_1",))._preprocess(image)
    np.testing.assert_allclose(inputs[0, 0], [[0.0] * 3, [1.0] * 3], atol=1e-6)


def test_normalized_inputs_are_bgr_times_255_less_the_caffe_mean():
    images = jnp.asarray(numpy_adain.random_images(5, 4))
    encoder = narrow(("relu1_1",), "vgg19", convention="normalised")
    params = jax.jit(encoder.init)(jax.random.key(0), images)["params"]
    identity = np.zeros((3, 3, 3, WIDTHS[0]), np.float32)
    identity[1, 1, [0, 1, 2], [0, 1, 2]] = 1.0
    conv = {"kernel": identity, "bias": np.full(WIDTHS[0], 128.0, np.float32)}
    features = encoder.apply({"params": {**params, "conv1_1": conv}}, images)
    red, green, blue = np.moveaxis(255.0 * np.asarray(images, float), -1, 0)
    expected = np.stack([blue - 103.939, green - 116.779, red - 123.68], axis=-1)
    np.testing.assert_allclose(
        features["relu1_1"][..., :3] - 128.0, expected, atol=1e-4
    )


@pytest.mark.parametrize("convention", ["torchvision", "normalised"])
def test_jit_equals_eager_and_compiles_once_per_shape(convention):
    # The library's own convolution without jit has its own test, as its gradient has.
    encoder = narrow(("relu2_1",), "vgg19", convention=convention)
    images = jnp.asarray(numpy_adain.random_images(17, 18, number=2))
    variables = jax.jit(encoder.init)(jax.random.key(1), images)
    compiled = jax.jit(encoder.apply)
    eager = encoder.apply(variables, images)["relu2_1"]
    for batch in (images, images[::-1], images):
        feature = compiled(variables, batch)["relu2_1"]
    np.testing.assert_allclose(feature, eager, rtol=1e-5, atol=1e-5)
    assert compiled._cache_size() == 1
    compiled(variables, images[:1])
    assert compiled._cache_size() == 2


def test_bfloat16_features_are_near_those_of_float32():
    params = numpy_adain.random_encoder()
    images = numpy_adain.random_images(16, 24)
    layers = ("relu1_1", "relu4_1")
    exact, rough = (
        jax.jit(VGG.of_params(params, layers, dtype).apply)({"params": params}, images)
        for dtype in (jnp.float32, jnp.bfloat16)
    )
    for layer in layers:
        assert rough[layer].dtype == jnp.bfloat16
        error = jnp.linalg.norm(rough[layer].astype(jnp.float32) - exact[layer])
        assert float(error) < 0.03 * float(jnp.linalg.norm(exact[layer]))


def test_gradients_of_a_constant_picture_are_finite():
    params = numpy_adain.random_encoder()
    encoder = VGG.of_params(params, ("relu4_1",))

    def total(images):
        return encoder.apply({"params": params}, images)["relu4_1"].sum()

    gradient = jax.jit(jax.grad(total))(jnp.zeros((1, 16, 16, 3)))
    assert bool(jnp.isfinite(gradient).all())


def test_the_network_is_told_by_its_parameters():
    layers = ("relu4_1",)
    for architecture, convention in (("vgg16", "torchvision"), ("vgg19", "normalised")):
        params = shapes_of(narrow(layers, architecture, convention=convention))
        encoder = VGG.of_params(params, layers)
        assert (encoder.architecture, encoder.convention) == (architecture, convention)
        assert encoder.widths[:4] == WIDTHS[:4]


def test_cut_parameters_hold_what_the_layers_need():
    params = shapes_of(narrow(BLOCKS, "vgg19", convention="normalised"))
    cut = cut_params(params, ("relu2_1", "relu1_1"))
    assert set(cut) == {"preprocess", "conv1_1", "conv1_2", "conv2_1"}
    assert set(cut_params(params, BLOCKS)) == set(params)


def test_pools_take_the_maximum_or_the_mean():
    params = numpy_adain.random_encoder(numpy_adain.VGG16_TO_RELU4_1)
    flat = jnp.full((1, 16, 16, 3), 0.3)
    busy = jnp.asarray(numpy_adain.random_images(16, 16))
    layers = ("relu1_2", "relu2_1")

    def features(images, pooling):
        encoder = VGG.of_params(params, layers, pooling=pooling)
        return encoder.apply({"params": params}, images)

    for layer, feature in features(flat, "max").items():
        # Where all is alike, so are the two.
        np.testing.assert_allclose(features(flat, "average")[layer], feature, rtol=1e-4)
    pooled, maxima = features(busy, "average"), features(busy, "max")
    np.testing.assert_array_equal(pooled["relu1_2"], maxima["relu1_2"])
    assert jnp.abs(pooled["relu2_1"] - maxima["relu2_1"]).max() > 1e-3
