import math

import numpy as np
import pytest

from styleflax.art.noise import fbm
from styleflax.evaluation.inputs import draw_pairs, draw_sky
from styleflax.evaluation.metrics.blobs import (
    GRAY_PATCH_LIMIT,
    detect_gray_patch,
    find_flat_areas,
    measure_jump,
)

SIZE_PX = 192


@pytest.fixture(scope="module", params=["white", "gray", "graded"])
def sky(request):
    return draw_sky(request.param, 0.6, seed=1, size_px=SIZE_PX)


def with_patch(content, depth_px, color):
    """Returns the content with a patch of a color further inside its flat area."""
    (distances,) = find_flat_areas(content)
    share = np.clip((distances - depth_px) / 6 + 0.5, 0, 1)[..., None]
    return np.float32(content * (1 - share) + share * color)


@pytest.mark.parametrize("depth_px", [28, 45, 70])
def test_planted_patches_are_found(sky, depth_px):
    assert detect_gray_patch(with_patch(sky, depth_px, 0.35), sky).found
    # Even a pale one, and one of another hue that is as bright.
    jump = detect_gray_patch(with_patch(sky, depth_px, [1.0, 0.9, 0.4]), sky).jump
    assert jump > GRAY_PATCH_LIMIT


def test_contents_themselves_have_no_patch(sky):
    assert detect_gray_patch(sky, sky).jump < GRAY_PATCH_LIMIT


def test_texture_that_does_not_follow_the_border_is_no_patch(sky):
    rng = np.random.default_rng(0)
    strokes = 0.3 * (fbm(rng, SIZE_PX, (20.0, 10.0), 3)[..., None] - 0.5)
    assert not detect_gray_patch(np.clip(sky + strokes, 0, 1), sky).found


def test_an_outline_of_the_motif_is_no_patch(sky):
    (distances,) = find_flat_areas(sky)
    outline = ((distances > 0) & (distances < 10))[..., None]
    assert not detect_gray_patch(np.where(outline, np.float32(0), sky), sky).found


def test_the_jump_is_the_distance_of_the_rings_means():
    flat = np.full((64, 64, 3), 0.5, np.float32)
    distances = np.broadcast_to(np.arange(64.0)[:, None], (64, 64))
    halves = np.where(np.arange(64)[:, None, None] < 32, np.float32(0), np.float32(1))
    halves = np.broadcast_to(halves, flat.shape)
    assert measure_jump(halves, [distances]).jump == pytest.approx(100, abs=0.1)
    assert measure_jump(flat, [distances]).jump == pytest.approx(0, abs=1e-9)


def test_contents_without_a_flat_area_have_no_value(photos):
    noise = np.random.default_rng(0).random((64, 64, 3), np.float32)
    even = np.full((64, 64, 3), 0.5, np.float32)  # without a border
    for content in (noise, even):
        patch = detect_gray_patch(content, content)
        assert math.isnan(patch.jump)
        assert not patch.found


def test_photographs_themselves_have_no_patch(photos):
    assert not any(detect_gray_patch(x, x).found for x in photos(256))


def test_every_drawn_content_has_a_flat_area_and_no_patch():
    pairs = list(draw_pairs(24))
    assert len({pair.name for pair in pairs}) == 24
    for pair in pairs:
        patch = detect_gray_patch(pair.content, pair.content)
        assert patch.jump < GRAY_PATCH_LIMIT, pair.name


def test_drawn_pairs_are_always_the_same():
    (first,), (again,) = draw_pairs(1), draw_pairs(1)
    np.testing.assert_array_equal(first.content, again.content)
    np.testing.assert_array_equal(first.style, again.style)


def test_batches_and_other_sizes_are_refused():
    batch, single = np.zeros((2, 64, 64, 3)), np.zeros((64, 80, 3))
    with pytest.raises(ValueError, match="content must be one image, got a batch"):
        find_flat_areas(batch)
    with pytest.raises(ValueError, match="must have the same shape"):
        detect_gray_patch(single, np.zeros((64, 64, 3)))
