"""The color step and moments of the runtime in NumPy against the library's in JAX."""

import jax
import numpy as np
import pytest

from styleflax.export.runtime import color, moments
from styleflax.ops import color_match, statistics


def pictures():
    rng = np.random.default_rng(0)
    photo, first, second = (
        (rng.random((*size, 3)) @ (0.6 * rng.random((3, 3)))).astype(np.float32)
        for size in ((33, 40), (20, 31), (24, 24))
    )
    masks = rng.random((2, 33, 40), np.float32)
    return photo, (first, second), masks / masks.sum(axis=0)


@pytest.mark.parametrize("with_regions", [True, False])
def test_color_step_is_that_of_the_library(with_regions):
    photo, paintings, masks = pictures()
    weights = np.float32([[0.3, 0.7], [1.0, 0.0]] if with_regions else [[0.3, 0.7]])
    strength = np.float32([0.9, 0.4] if with_regions else [0.9])
    masks = masks if with_regions else None

    @jax.jit
    def matched(photo, paintings, weights, strength, masks):
        palettes = [color_match.color_palette(painting[None]) for painting in paintings]
        stacked = jax.tree.map(lambda *x: jax.numpy.concatenate(x), *palettes)
        palette = color_match.mix_palettes(stacked, weights)
        return color_match.match_chroma(photo[None], palette, strength, masks)[0]

    halves = [
        color.color_moments(photo[rows], None if masks is None else masks[:, rows])
        for rows in (slice(10), slice(10, None))
    ]
    palettes = [color.color_palette(painting) for painting in paintings]
    palette = color.mix_palettes(palettes, weights)
    maps = color.color_map(color.merge_color_moments(*halves), palette, strength)
    made = color.apply_color_map(photo, maps, masks)
    assert np.abs(made - photo).max() > 0.02
    expected = matched(photo, paintings, weights, strength, masks)
    np.testing.assert_allclose(made, expected, atol=1e-5)


HUES = {"sepia": [0.9, 0.8, 0.6], "orange": [1, 0.5, 0.1], "gray": [1, 1, 1]}


@jax.jit
def in_colors_of(photo, painting):
    return color_match.match_chroma(
        photo[None], color_match.color_palette(painting[None])
    )


@pytest.mark.parametrize("noise", [0, 1 / 255, 0.01])
@pytest.mark.parametrize("hue", HUES)
def test_paintings_of_nearly_one_hue_give_the_same_colors(hue, noise):
    rng = np.random.default_rng(0)
    photo = (rng.random((150, 170, 3)) @ (0.6 * rng.random((3, 3)))).astype("f4")
    flat = rng.random((200, 210, 1)) * HUES[hue] + noise * rng.random((200, 210, 3))
    painting = flat.clip(0, 1).astype("f4")
    palette = color.mix_palettes([color.color_palette(painting)], np.ones((1, 1)))
    maps = color.color_map(color.color_moments(photo), palette, np.ones(1))
    made = color.apply_color_map(photo, maps)
    expected = in_colors_of(photo, painting)[0]
    np.testing.assert_allclose(made, expected, atol=1e-5)


def test_a_gray_photo_gets_the_mean_of_a_palette_s_chroma():
    gray = np.random.default_rng(0).random((20, 20, 1), np.float32).repeat(3, axis=2)
    palette = color.mix_palettes(
        [color.color_palette(pictures()[1][0])], np.ones((1, 1))
    )
    maps = color.color_map(color.color_moments(gray), palette, np.ones(1))
    made = color.apply_color_map(gray, maps)
    chroma = color.TO_CHROMA @ made.mean(axis=(0, 1))
    np.testing.assert_allclose(chroma, palette.mean[0] @ color.TO_CHROMA.T, atol=1e-5)
    np.testing.assert_allclose(made @ color.LUMA, gray[..., 0], atol=2e-5)


def test_moments_merge_to_those_of_the_whole_and_are_the_library_s():
    feature = np.random.default_rng(0).random((5, 33, 40), np.float32) + 3
    masks = pictures()[2]
    parts = [
        moments.region_moments(feature[:, rows], masks[:, rows])
        for rows in (slice(7), slice(7, None))
    ]
    merged = moments.merge_moments(*parts)
    channels_last = feature.transpose(1, 2, 0)[None]
    expected = jax.jit(statistics.region_moments)(channels_last, masks)
    for made, wanted in zip(merged, expected, strict=True):
        np.testing.assert_allclose(made, wanted[0], rtol=1e-5)
    whole = moments.region_moments(feature, masks.sum(axis=0, keepdims=True))
    for made, wanted in zip(moments.merge_regions(merged), whole, strict=True):
        np.testing.assert_allclose(made, wanted, rtol=1e-6)
    for made, wanted in zip(
        moments.mean_std(merged, ddof=1, eps=1e-5),
        statistics.moments_mean_std(expected, ddof=1, eps=1e-5),
        strict=True,
    ):
        np.testing.assert_allclose(made, wanted[0], rtol=1e-5)
