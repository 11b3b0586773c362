"""The color step's maths: moments, their merging, the map, and what it leaves alone."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from styleflax.ops import color_match
from styleflax.ops.color_match import LUMA, TO_CHROMA, ColorMoments, Palette

# One program each: compiling every operation alone takes far longer.
color_map, color_moments = (
    jax.jit(color_match.color_map),
    jax.jit(color_match.color_moments),
)
color_palette, match_chroma = map(
    jax.jit, (color_match.color_palette, color_match.match_chroma)
)
merge_color_moments = jax.jit(color_match.merge_color_moments)
mix_palettes = jax.jit(color_match.mix_palettes)
COLORS = TO_CHROMA.astype(np.float64)


def picture(seed, height=24, width=20):
    """A picture of correlated colors, some of them beyond [0, 1]."""
    rng = np.random.default_rng(seed)
    noise = rng.normal(size=(1, height, width, 3)) @ rng.normal(size=(3, 3))
    return jnp.asarray(rng.uniform(0.3, 0.7, 3) + 0.12 * noise, jnp.float32)


def chroma(image):
    """Mean and covariance of I and Q in float64."""
    flat = np.asarray(image, np.float64).reshape(-1, 3) @ COLORS.T
    return flat.mean(axis=0), np.cov(flat.T, bias=True)


def numpy_monge(source, target):
    """`S^-1/2 (S^1/2 T S^1/2)^1/2 S^-1/2` by eigenvectors."""

    def power(matrix, exponent):
        values, axes = np.linalg.eigh(matrix)
        return (axes * values**exponent) @ axes.T

    root, inverse = power(source, 0.5), power(source, -0.5)
    return inverse @ power(root @ target @ root, 0.5) @ inverse


def test_full_strength_gives_the_paintings_chroma_and_keeps_luma():
    for seed in range(5):
        image, painting = picture(seed), picture(seed + 50)
        got = match_chroma(image, color_palette(painting))
        for value, expected in zip(chroma(got), chroma(painting), strict=True):
            np.testing.assert_allclose(value, expected, atol=1e-6)
        np.testing.assert_allclose(got @ LUMA, image @ LUMA, atol=1e-6)


def test_the_map_is_monges():
    image, painting = picture(3), picture(4)
    (mean, covariance), (wanted, target) = chroma(image), chroma(painting)
    moved = (image @ COLORS.T - mean) @ numpy_monge(covariance, target) + wanted
    got = (
        np.asarray(match_chroma(image, color_palette(painting)), np.float64) @ COLORS.T
    )
    np.testing.assert_allclose(got, moved, atol=1e-5)


def test_strength_mixes_with_standing_still():
    image, palette = picture(0), color_palette(picture(1))
    full, none, half = (
        np.asarray(match_chroma(image, palette, jnp.array([strength])))
        for strength in (1.0, 0.0, 0.5)
    )
    np.testing.assert_array_equal(none, image)
    np.testing.assert_allclose(half, (full + image) / 2, atol=1e-6)


def test_a_picture_in_its_own_colors_is_unchanged():
    image = picture(5)
    np.testing.assert_allclose(
        match_chroma(image, color_palette(image)), image, atol=1e-5
    )


GRAY = np.random.default_rng(6).uniform(size=(1, 24, 20, 1)).astype("f4")
ONES = np.ones((1, 24, 20, 1), np.float32)
DEGENERATE = {
    "gray": jnp.asarray(GRAY * np.float32([1.0, 1.0, 1.0])),
    "one color": jnp.asarray(ONES * np.float32([0.9, 0.2, 0.4])),
    "black": jnp.asarray(ONES * np.float32([0.0, 0.0, 0.0])),
    "one hue": jnp.asarray(GRAY * np.float32([1.0, 0.5, 0.1])),
}


@jax.jit
def matched_and_gradients(image, painting):
    def total(image, painting):
        made = match_chroma(image, color_palette(painting))
        return jnp.square(made).sum(), made

    return jax.grad(total, argnums=(0, 1), has_aux=True)(image, painting)


@pytest.mark.parametrize("painting", DEGENERATE)
@pytest.mark.parametrize("content", [*DEGENERATE, "picture"])
def test_pictures_and_gradients_are_finite_for(content, painting):
    image = DEGENERATE[content] if content in DEGENERATE else picture(7)
    gradients, made = matched_and_gradients(image, DEGENERATE[painting])
    assert all(np.isfinite(x).all() for x in (*gradients, made))
    wanted, _ = chroma(DEGENERATE[painting])
    # Of one color, what rounding leaves is enlarged up to some hundreds of times.
    np.testing.assert_allclose(chroma(made)[0], wanted, atol=1e-4)
    if painting in {"gray", "black"}:
        np.testing.assert_allclose(made - made[..., :1], 0, atol=1e-5)


def test_what_rounding_leaves_of_gray_is_not_enlarged_to_a_paintings_colors():
    noise = np.random.default_rng(8).normal(size=(1, 24, 20, 3)) * 1e-5
    noisy = jnp.asarray(GRAY + noise, jnp.float32)
    made = match_chroma(noisy, color_palette(picture(9)))
    wanted, covariance = chroma(picture(9))
    mean, got = chroma(made)
    np.testing.assert_allclose(mean, wanted, atol=1e-4)
    assert np.trace(got) < 0.01 * np.trace(covariance)


def test_moments_are_numpys_and_merge_over_parts():
    image = jnp.concatenate([picture(0), picture(1)])
    masks = np.random.default_rng(2).uniform(size=(3, 24, 20)).astype(np.float32)
    masks[2] = 0.0
    masks = jnp.asarray(masks)
    whole = color_moments(image, masks)
    top = color_moments(image[:, :7], masks[:, :7])
    merged = merge_color_moments(top, color_moments(image[:, 7:], masks[:, 7:]))
    for a, b in zip(whole, merged, strict=True):
        np.testing.assert_allclose(a, b, atol=1e-3, rtol=1e-5)
    flat = np.asarray(image[1], np.float64).reshape(-1, 3)
    weights = np.asarray(masks[1], np.float64).ravel()
    mean = np.average(flat, axis=0, weights=weights)
    covariance = np.cov(flat.T, aweights=weights, bias=True)
    np.testing.assert_allclose(whole.mean[1, 1], mean, atol=1e-6)
    np.testing.assert_allclose(whole.covariance[1, 1], covariance, atol=1e-6)
    assert not np.any(whole.mean[:, 2])
    assert not np.any(whole.covariance[:, 2])


def test_moments_keep_digits_where_a_large_mean_hides_them():
    image = picture(0, 300, 200) * 1e-3 + 100.0
    exact = np.cov(np.asarray(image, np.float64).reshape(-1, 3).T, bias=True)
    np.testing.assert_allclose(color_moments(image).covariance[0, 0], exact, rtol=1e-2)


def test_regions_have_palettes_and_strengths_of_their_own():
    image = picture(0)
    left_part = jnp.broadcast_to(jnp.arange(20) < 9, (24, 20)).astype(jnp.float32)
    masks = jnp.stack([left_part, 1.0 - left_part])
    palettes = [color_palette(picture(seed)) for seed in (1, 2)]
    both = Palette(*(jnp.concatenate(x) for x in zip(*palettes, strict=True)))
    got = match_chroma(image, both, jnp.array([1.0, 0.5]), masks)
    left = match_chroma(image[:, :, :9], palettes[0])
    right = match_chroma(image[:, :, 9:], palettes[1], jnp.array([0.5]))
    np.testing.assert_allclose(got, np.concatenate([left, right], 2), atol=1e-5)


def test_mixes_are_of_means_and_covariances():
    palettes = [color_palette(picture(seed)) for seed in (1, 2)]
    both = Palette(*(jnp.concatenate(x) for x in zip(*palettes, strict=True)))
    mixed = mix_palettes(both, jnp.array([[1.0, 0.0], [0.25, 0.75]]))
    for whole, a, b in zip(mixed, *palettes, strict=True):
        np.testing.assert_allclose(whole[0], a[0], atol=1e-7)
        np.testing.assert_allclose(whole[1], 0.25 * a[0] + 0.75 * b[0], atol=1e-6)


def test_a_palette_is_of_the_part_that_counts():
    painting = picture(1)
    part = jnp.zeros((1, 24, 20)).at[:, 5:, :7].set(0.5)
    got, expected = color_palette(painting, part), color_palette(painting[:, 5:, :7])
    for a, b in zip(got, expected, strict=True):
        np.testing.assert_allclose(a, b, atol=1e-5)


def test_a_map_needs_no_more_of_a_picture_than_its_moments():
    moments = color_moments(picture(0))
    moved = color_map(moments, color_palette(picture(1)))
    doubled = ColorMoments(moments.count * 2, moments.mean, moments.m2 * 2)
    again = color_map(doubled, color_palette(picture(1)))
    for a, b in zip(moved, again, strict=True):
        np.testing.assert_allclose(a, b, atol=1e-5)
