import functools

import jax
import jax.numpy as jnp
import numpy as np
import numpy_adain
import pytest

from styleflax.losses.perceptual import find_style_loss
from styleflax.methods.gatys import (
    GUIDED,
    TERMS,
    Objective,
    find_targets,
    guided_feature,
    picture_loss,
)

NAMES = ("conv1_1", "conv1_2", "pool", "conv2_1")
LAYERS = ("relu1_1", "relu2_1")
ENCODER = numpy_adain.random_encoder(NAMES)
RNG = np.random.default_rng(3)
CONTENT, STYLE = (RNG.random((1, *side, 3)).astype("f4") for side in ((9, 7), (8, 12)))
KEY = jax.random.key(0)
ONE = jnp.ones((1, 1))
NARROW = Objective(content_layers=("relu1_2",), style_layers=LAYERS)


@functools.partial(jax.jit, static_argnums=0)
def total_and_terms(objective, image, content, styles, masks, weights):
    targets = find_targets(objective, ENCODER, content, styles, masks, weights)
    return picture_loss(objective, ENCODER, image, targets, KEY)


def terms(objective, image, content=CONTENT, styles=(STYLE,), masks=None, weights=ONE):
    given = image, content, list(styles), masks, weights
    total, found = map(np.asarray, total_and_terms(objective, *given))
    assert total == found[0]
    np.testing.assert_allclose(found[0], found[1:].sum(), rtol=1e-6)
    return dict(zip(TERMS, np.asarray(found), strict=True))


def features(image):
    return numpy_adain.encode(ENCODER, image, NAMES)


def gram(feature):
    flat = feature.reshape(-1, feature.shape[-1])
    return flat.T @ flat / len(flat)


def test_terms_agree_with_float64():
    # The paper's reductions, Gatys' notebook's weights by channels, average pools
    # left out, as the reference has none.
    objective = NARROW._replace(
        content_weight=2.0,
        style_weight=3.0,
        variation_weight=5.0,
        content_reduction="half_sum",
        layer_weights=(0.25, 0.5),
        channel_power=2,
        style_losses=(("gram_squared", 2.0),),
    )
    image = RNG.random(CONTENT.shape).astype("f4")
    found = terms(objective, image)
    made, wanted, painted = map(features, (image, CONTENT, STYLE))
    content = np.square(made["relu1_2"] - wanted["relu1_2"]).sum() / 2
    style = sum(
        weight
        / made[layer].shape[-1] ** 2
        * np.square(gram(made[layer]) - gram(painted[layer])).mean()
        for layer, weight in zip(LAYERS, (0.25, 0.5), strict=True)
    )
    variation = sum(np.square(np.diff(image, axis=axis)).mean() for axis in (1, 2))
    expected = 2 * content, 3 * 2 * style, 5 * variation
    np.testing.assert_allclose([found[name] for name in TERMS[1:]], expected, rtol=1e-4)


def test_half_sums_are_of_pixels_to_255_and_of_values_of_maps():
    image = RNG.random(CONTENT.shape).astype("f4")
    objective = NARROW._replace(
        content_weight=0.0,
        variation_weight=3.0,
        variation_reduction="half_sum",
        style_layers=("relu2_1",),
        style_losses=(("mrf@relu2_1", 1.0),),
    )
    pixels = 255 * image.astype("f8")
    expected = 3 * sum(np.square(np.diff(pixels, axis=a)).sum() / 2 for a in (1, 2))
    mean = terms(objective, image)
    np.testing.assert_allclose(mean["variation"], expected, rtol=1e-5)
    half_sum = terms(objective._replace(style_reduction="half_sum"), image)
    halved = mean["style"] * features(image)["relu2_1"].size / 2
    np.testing.assert_allclose(half_sum["style"], halved, rtol=1e-5)


def test_nothing_is_lost_by_the_content_itself_or_by_the_style_itself():
    assert terms(NARROW, CONTENT)["content"] == 0
    assert terms(NARROW, STYLE, content=STYLE)["style"] < 1e-4


def test_weightless_terms_are_not_computed_nor_their_layers():
    texture = NARROW._replace(content_weight=0.0)
    assert texture.layers() == LAYERS
    assert terms(texture, CONTENT)["content"] == 0
    inversion = NARROW._replace(style_weight=0.0)
    assert inversion.layers() == ("relu1_2",)
    assert terms(inversion, CONTENT, styles=())["style"] == 0


@pytest.mark.parametrize("name", GUIDED)
def test_a_guided_loss_is_that_of_the_region_cut_out(name):
    feature, style = (jnp.asarray(RNG.random((1, 24, n, 4)), "f4") for n in (32, 20))
    mask = jnp.zeros((24, 32)).at[:, :12].set(1)
    loss = find_style_loss(name)
    target = loss.summarize(2 * style)
    guided = loss.compare(guided_feature(feature, mask), target, KEY)
    cut_out = loss.compare(feature[:, :, :12], target, KEY)
    # An unbiased covariance is of one position less, here and there.
    tolerance = 0.02 if name == "covariance" else 1e-3
    np.testing.assert_allclose(guided, cut_out, rtol=tolerance)


def test_means_are_exact_and_deviations_close_where_a_mask_fades():
    feature = RNG.normal(size=(1, 16, 16, 3)).astype("f4")
    mask = np.clip(np.arange(-4, 12) / 8, 0, 1)[None].repeat(16, 0).astype("f4")
    guided = np.asarray(guided_feature(jnp.asarray(feature), jnp.asarray(mask)))
    shares = mask[None, ..., None] / mask.sum()
    mean = (feature * shares).sum(axis=(1, 2))
    deviation = np.sqrt((np.square(feature - mean) * shares).sum(axis=(1, 2)))
    np.testing.assert_allclose(guided.mean(axis=(1, 2)), mean, atol=1e-6)
    np.testing.assert_allclose(guided.std(axis=(1, 2)), deviation, rtol=0.02)


def test_an_empty_region_has_a_finite_gradient():
    def total(feature):
        return guided_feature(feature, jnp.zeros((3, 3))).sum()

    assert np.isfinite(jax.grad(total)(jnp.ones((1, 3, 3, 2)))).all()


def test_regions_are_weighed_by_their_styles():
    halves = jnp.zeros((2, 9, 7)).at[0, :, :3].set(1).at[1, :, 3:].set(1)
    other = STYLE[:, ::-1] * 0.5
    weights = jnp.array([[1.0, 0.0], [0.0, 2.0]])
    both = terms(NARROW, CONTENT, CONTENT, (STYLE, other), halves, weights)
    alone = [
        terms(
            NARROW, CONTENT, CONTENT, (STYLE, other), halves, weights * jnp.array(keep)
        )["style"]
        for keep in ([[1.0], [0.0]], [[0.0], [1.0]])
    ]
    np.testing.assert_allclose(both["style"], sum(alone), rtol=1e-5)
    assert min(alone) > 0


def test_the_part_of_a_style_is_all_that_counts_of_it():
    left = np.zeros((8, 12), "f4")
    left[:, :6] = 1
    shallow = NARROW._replace(style_layers=("relu1_1",))
    found, content = [], jnp.asarray(CONTENT)
    for right in (0.1, 0.9):
        # Beyond what convolutions see from the left.
        style = jnp.asarray(STYLE).at[:, :, 7:].set(right)
        parts = (jnp.asarray(left),)
        targets = find_targets(shallow, ENCODER, content, [style], None, ONE, parts)
        found.append(picture_loss(shallow, ENCODER, content, targets, KEY)[0])
    np.testing.assert_allclose(found[0], found[1], rtol=1e-5)
