import jax
import jax.numpy as jnp
import numpy as np
import pytest
from skimage.color import lab2rgb, rgb2lab

from styleflax.ops import color

# One program each: compiling every operation alone takes far longer.
coral_recolor, keep_luminance = (
    jax.jit(color.coral_recolor),
    jax.jit(color.keep_luminance),
)
lab_to_rgb, rgb_to_lab = jax.jit(color.lab_to_rgb), jax.jit(color.rgb_to_lab)
match_lab = jax.jit(color.match_lab, static_argnames=("eps", "clip"))
LUMA = np.array([0.2126, 0.7152, 0.0722])
FLAT = jnp.full((1, 8, 8, 3), 0.3)
BLACK, WHITE = jnp.zeros((1, 8, 8, 3)), jnp.ones((1, 8, 8, 3))


def picture(seed, height=8, width=8, low=0.0, high=1.0):
    rng = np.random.default_rng(seed)
    return jnp.asarray(rng.uniform(low, high, (1, height, width, 3)), jnp.float32)


def luma(image):
    return np.asarray(image, np.float64) @ LUMA


def test_lab_agrees_with_scikit_image_both_ways():
    image = picture(0, 16, 16)
    lab = rgb_to_lab(image)
    np.testing.assert_allclose(lab, rgb2lab(np.asarray(image)), atol=0.02)
    np.testing.assert_allclose(
        lab_to_rgb(lab), lab2rgb(np.asarray(lab, np.float64)), atol=1e-3
    )


def test_lab_and_back_is_the_same_picture_even_outside_the_gamut():
    image = picture(1, low=-0.3, high=1.3)
    np.testing.assert_allclose(lab_to_rgb(rgb_to_lab(image)), image, atol=1e-4)
    for gray, lightness in ((WHITE, 100.0), (BLACK, 0.0)):
        np.testing.assert_allclose(
            rgb_to_lab(gray)[0, 0, 0], [lightness, 0, 0], atol=1e-3
        )


def test_luminance_is_the_pictures_and_hue_the_contents():
    image, colors = picture(2), picture(3)
    got = np.asarray(keep_luminance(image, colors), np.float64)
    assert got.min() >= 0
    assert got.max() <= 1
    np.testing.assert_allclose(luma(got), luma(image), atol=1e-5)
    chroma = got - luma(got)[..., None]
    asked = np.asarray(colors, np.float64) - luma(colors)[..., None]
    share = (chroma * asked).sum(-1) / (asked**2).sum(-1)
    np.testing.assert_allclose(chroma, share[..., None] * asked, atol=1e-5)
    assert share.min() >= -1e-6
    assert share.max() <= 1 + 1e-5
    assert share.min() < 0.9  # some of these colors had to be made paler


def test_colors_with_room_keep_their_saturation():
    image, colors = picture(2, low=0.45, high=0.55), picture(3, low=0.4, high=0.6)
    got = keep_luminance(image, colors)
    moved = np.asarray(got) - luma(got)[..., None]
    np.testing.assert_allclose(moved, colors - luma(colors)[..., None], atol=1e-5)


def test_a_picture_keeps_the_colors_it_has():
    image = picture(4)
    np.testing.assert_allclose(keep_luminance(image, image), image, atol=1e-6)
    np.testing.assert_allclose(match_lab(image, image), image, atol=1e-4)


def test_lab_mean_and_deviation_are_the_contents():
    image, colors = picture(5, low=0.3, high=0.7), picture(6, low=0.4, high=0.6)
    got = match_lab(image, colors, eps=0.0, clip=False)
    got, wanted = (np.asarray(rgb_to_lab(x)).reshape(-1, 3) for x in (got, colors))
    np.testing.assert_allclose(got.mean(axis=0), wanted.mean(axis=0), atol=1e-2)
    np.testing.assert_allclose(got.std(axis=0), wanted.std(axis=0), rtol=1e-3)


def test_only_weighted_places_count_in_lab_and_coral():
    weights = jnp.zeros((1, 8, 8)).at[:, :, :4].set(0.5)
    image, colors = picture(7), picture(8)
    other = colors.at[:, :, 4:].set(0.9)
    left = match_lab(image[:, :, :4], colors[:, :, :4])
    masked = match_lab(image, other, weights=weights)
    np.testing.assert_allclose(masked[:, :, :4], left, atol=1e-4)
    by_half = coral_recolor(image, colors[:, :, :4])
    by_weight = coral_recolor(image, other, style_weights=weights)
    np.testing.assert_allclose(by_weight, by_half, atol=1e-4)


def test_equal_weights_are_no_weights():
    image, colors, even = picture(7), picture(8), jnp.full((1, 8, 8), 0.3)
    np.testing.assert_allclose(
        match_lab(image, colors, weights=even), match_lab(image, colors), atol=1e-5
    )
    np.testing.assert_allclose(
        coral_recolor(image, colors, style_weights=even),
        coral_recolor(image, colors),
        atol=1e-5,
    )


@pytest.mark.parametrize("recolor", [keep_luminance, match_lab])
def test_flat_black_and_white_pictures_stay_finite_and_in_range(recolor):
    gradient_of = jax.jit(jax.grad(lambda x, colors: recolor(x, colors).sum()))
    for image in (FLAT, BLACK, WHITE, picture(9)):
        for colors in (FLAT, BLACK, WHITE, picture(10)):
            got = np.asarray(recolor(image, colors))
            assert np.isfinite(got).all()
            assert got.min() >= 0
            assert got.max() <= 1
            assert np.isfinite(gradient_of(image, colors)).all()
