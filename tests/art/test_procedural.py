import numpy as np
import pytest
from PIL import Image
from scipy.ndimage import gaussian_filter

from styleflax import art as procedural
from styleflax.art import FAMILIES, paint

SEEDS = range(6)
LEAST_DISTANCE = 0.86


def descriptor(picture_u8):
    """Returns color means, then statistics of marks: contrast and edges by scale."""
    rgb = picture_u8.astype(np.float64) / 255
    gray = rgb.mean(axis=-1)
    values = [*rgb.mean(axis=(0, 1)), gray.std(), np.ptp(rgb, axis=-1).mean()]
    values.append(np.mean((gray - gray.mean()) ** 3) / gray.std() ** 3)
    contrasts = []
    for step in (1, 2, 4, 8):
        for change in (gray[step:] - gray[:-step], gray[:, step:] - gray[:, :-step]):
            contrasts.append(np.log(change.std() + 1e-3))
            values += [np.mean(change**4) / change.var() ** 2]
            values += [np.mean(np.abs(change) < 0.02)]
    values += [*contrasts, *np.diff(contrasts)]
    gradient_y, gradient_x = np.gradient(gray)
    for sigma in (1.5, 4):
        yy, xx, yx = (
            gaussian_filter(product, sigma)
            for product in (gradient_y**2, gradient_x**2, gradient_y * gradient_x)
        )
        coherence = np.hypot(yy - xx, 2 * yx) / (yy + xx + 1e-4)
        values += [coherence.mean(), np.log((yy + xx).std() / (yy + xx).mean())]
    colors = np.unique((picture_u8 // 32).reshape(-1, 3), axis=0)
    return np.array([*values, np.log(len(colors))])


@pytest.fixture(scope="module")
def descriptors():
    return np.array(
        [[descriptor(paint(f, seed, 128)) for seed in SEEDS] for f in FAMILIES]
    )


def test_there_are_at_least_ten_families():
    assert len(FAMILIES) == len(set(FAMILIES)) >= 10


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("size_px", [64, 200])
def test_painting_is_rgb_u8_of_the_size_asked(family, size_px):
    picture_u8 = paint(family, 3, size_px)
    assert picture_u8.shape == (size_px, size_px, 3)
    assert picture_u8.dtype == np.uint8
    assert picture_u8.flags.c_contiguous
    assert picture_u8.std() > 10


@pytest.mark.parametrize("family", FAMILIES)
def test_same_seed_gives_the_same_bytes_and_another_seed_another_picture(family):
    first_u8 = paint(family, 5, 64)
    np.testing.assert_array_equal(first_u8, paint(family, 5, 64))
    change = np.abs(first_u8.astype(int) - paint(family, 6, 64)).mean()
    assert change > 8


@pytest.mark.parametrize("family", FAMILIES)
def test_smallest_size_can_be_painted(family):
    size_px = procedural.MIN_SIZE_PX
    assert paint(family, 0, size_px).shape == (size_px, size_px, 3)


def test_paint_does_not_touch_the_global_random_state():
    before = np.random.get_state()[1].copy()  # noqa: NPY002
    paint("mosaic", 0, 32)
    np.testing.assert_array_equal(before, np.random.get_state()[1])  # noqa: NPY002


@pytest.mark.parametrize("family", ["cutouts", "flow_strokes", "mosaic", "ukiyo_e"])
def test_larger_picture_shows_the_same_palette(family):
    small, large = (paint(family, 2, size).mean(axis=(0, 1)) for size in (64, 160))
    np.testing.assert_allclose(small, large, atol=45)


def test_every_family_differs_from_every_other(descriptors):
    marks = descriptors[:, :, 3:]
    scatter = np.sqrt(marks.var(axis=1, ddof=1).mean(axis=0))
    centers = marks.mean(axis=1) / scatter
    for i, family in enumerate(FAMILIES):
        for j in range(i):
            apart = np.sqrt(np.mean((centers[i] - centers[j]) ** 2))
            # Six paintings of one family lie at most 0.8 from six others of it.
            assert apart > LEAST_DISTANCE, (family, FAMILIES[j], apart)


def test_seeds_of_a_family_differ_in_color(descriptors):
    spreads = descriptors[:, :, :3].std(axis=1).max(axis=-1)
    for family, spread in zip(FAMILIES, spreads, strict=True):
        # Ink on paper is nearly without color, whatever the palette.
        assert spread > (0.003 if family == "ink_wash" else 0.03), family


def test_unknown_family_is_refused_with_the_families_named():
    with pytest.raises(
        ValueError, match=r"family must be one of cubism.*woodcut, got 'oil'"
    ):
        paint("oil", 0)


@pytest.mark.parametrize(
    ("seed", "size_px", "name"), [(-1, 64, "seed"), (0, 15, "size_px")]
)
def test_seed_and_size_outside_their_range_are_refused(seed, size_px, name):
    with pytest.raises(ValueError, match=rf"{name} must be .*, got -?\d+"):
        paint("mosaic", seed, size_px)


def test_painting_can_be_saved_by_pillow(tmp_path):
    path = tmp_path / "painting.png"
    picture_u8 = paint("marbling", 1, 64)
    Image.fromarray(picture_u8).save(path)
    np.testing.assert_array_equal(np.asarray(Image.open(path)), picture_u8)
