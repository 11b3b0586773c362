import io

import jax.numpy as jnp
import numpy as np
import pytest
from PIL import Image

from styleflax.evaluation.metrics.artifacts import (
    border_difference,
    detect_artifacts,
    detect_border,
    detect_checkerboard,
    grid_prominence,
)
from styleflax.evaluation.metrics.blobs import detect_blobs
from styleflax.ops.color import coral_recolor

SIZE_PX = 128


@pytest.fixture(scope="module")
def pairs(photos, paintings):
    """A content and a style each."""
    styles = paintings(SIZE_PX)
    return [(x, styles[i % len(styles)]) for i, x in enumerate(photos(SIZE_PX))]


def share_found(detector, pictures, pairs):
    found = [detector(x, *pair).found for x, pair in zip(pictures, pairs, strict=True)]
    return np.mean(found)


def as_jpeg(picture):
    file = io.BytesIO()
    pixels_u8 = (255 * picture).round().astype(np.uint8)
    Image.fromarray(pixels_u8).save(file, "JPEG", quality=80)
    return np.asarray(Image.open(file), np.float32) / 255


def with_blobs(picture, color, radius=3.0):
    rows, columns = np.mgrid[:SIZE_PX, :SIZE_PX]
    picture = picture.copy()
    for row, column in ((30, 40), (70, 90), (100, 25)):
        distance = np.hypot(rows - row, columns - column)
        share = np.clip((radius - distance) / 2 + 0.5, 0, 1)[..., None]
        picture = picture * (1 - share) + share * color
    return picture.astype(np.float32)


def with_checkerboard(picture, period, amplitude):
    rows, columns = (
        np.sign(np.sin(np.pi * (2 * x + 1) / period))
        for x in np.mgrid[:SIZE_PX, :SIZE_PX]
    )
    pattern = amplitude * (rows * columns)[..., None]
    return np.clip(picture + pattern, 0, 1).astype(np.float32)


def with_border(picture, side, width, color):
    picture = picture.copy()
    np.rot90(picture, side)[:width] = 0.3 * np.rot90(picture, side)[:width] + color
    return picture


def test_untouched_pictures_raise_at_most_5_percent_false_alarms(pairs):
    alarms = []
    for content, style in pairs:
        recolored = np.asarray(
            coral_recolor(jnp.asarray(content[None]), jnp.asarray(style[None]))[0]
        )
        untouched = (content, style, as_jpeg(content), as_jpeg(style), recolored)
        alarms += [
            [finding.found for finding in detect_artifacts(picture, content, style)]
            for picture in untouched
        ]
    assert (np.mean(alarms, axis=0) <= 0.05).all()


@pytest.mark.parametrize("detector", [detect_checkerboard, detect_border])
def test_pictures_raise_few_alarms_even_against_inputs_of_other_pictures(
    detector, pairs
):
    contents = [content for content, _ in pairs]
    found = [
        detector(picture, content, style).found
        for picture in contents
        for content, style in pairs
    ]
    assert np.mean(found) <= 0.05


@pytest.mark.parametrize("color", [(1.0, 0.0, 1.0), (0.0, 1.0, 1.0)])
def test_planted_blobs_are_found(color, pairs):
    planted = [with_blobs(content, np.array(color)) for content, _ in pairs]
    assert share_found(detect_blobs, planted, pairs) >= 0.8


def test_blobs_are_counted_and_measured():
    gray = np.full((SIZE_PX, SIZE_PX, 3), 0.4, np.float32)
    planted = with_blobs(gray, np.array([1.0, 0.2, 0.2]))
    blobs = detect_blobs(planted, gray, gray)
    assert blobs.num_blobs == 3
    np.testing.assert_allclose(blobs.share, 3 * np.pi * 2.2**2 / SIZE_PX**2, rtol=0.3)
    # Either input accounts for what it has itself.
    assert not detect_blobs(planted, planted, gray).found
    assert not detect_blobs(planted, gray, planted).found


def test_large_areas_at_full_brightness_are_no_blobs():
    gray = np.full((SIZE_PX, SIZE_PX, 3), 0.4, np.float32)
    half = gray.copy()
    half[:64] = 1
    assert detect_blobs(half, gray, gray).num_blobs == 0


@pytest.mark.parametrize("period", [2, 4])
def test_planted_checkerboards_are_found(period, pairs):
    planted = [with_checkerboard(content, period, 6 / 255) for content, _ in pairs]
    assert share_found(detect_checkerboard, planted, pairs) >= 0.8


def test_stripes_are_found_as_a_checkerboard_is(pairs):
    stripes = 6 / 255 * np.where(np.arange(SIZE_PX) % 2, 1, -1)[:, None, None]
    planted = [np.clip(x + stripes, 0, 1).astype(np.float32) for x, _ in pairs]
    assert share_found(detect_checkerboard, planted, pairs) >= 0.8


def test_noise_and_flat_color_have_no_grid():
    noise = np.random.default_rng(0).random((SIZE_PX, SIZE_PX, 3), np.float32)
    assert grid_prominence(np.stack([noise, 0 * noise])).max() < 5


@pytest.mark.parametrize("side", [0, 1, 2, 3])
def test_planted_borders_are_found(side, pairs):
    color = np.array([0.0, 0.7, 0.3], np.float32)
    planted = [with_border(content, side, 2, color) for content, _ in pairs]
    assert share_found(detect_border, planted, pairs) >= 0.8


def test_a_border_stands_out_by_its_distance_in_lab():
    picture = np.full((64, 64, 3), 0.5, np.float32)
    picture[:2] = 1
    np.testing.assert_allclose(border_difference(picture), 100 - 53.39, atol=0.05)
    assert border_difference(np.full((64, 64, 3), 0.5, np.float32)) == 0
    assert not detect_border(picture, picture, picture).found


def test_small_pictures_and_batches_are_refused():
    small, batch = np.zeros((63, 80, 3)), np.zeros((2, 64, 64, 3))
    with pytest.raises(ValueError, match="sides of at least 64 px, got 63x80 px"):
        detect_checkerboard(small, small, small)
    with pytest.raises(ValueError, match="at least 32 px"):
        detect_border(batch, batch, batch)
    with pytest.raises(ValueError, match="one image each"):
        detect_blobs(batch, batch, batch)
