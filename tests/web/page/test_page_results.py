"""What the page makes is what the library makes, by every control."""

import numpy as np
import pytest

from styleflax import art
from styleflax.export.runtime import color
from styleflax.inference.contents import rounded

TOLERANCE = 2
"""Steps of 255, as float32 differs in its last digits and 8 bits round."""


def draw(height, width, seed):
    family = ("watercolor", "flow_strokes", "cutouts", "mosaic")[seed]
    drawn = art.paint(family, seed, max(height, width))
    return np.ascontiguousarray(drawn[:height, :width])


# Odd sides, one window.
PHOTO, FIRST, SECOND = draw(99, 147, 0), draw(90, 70, 1), draw(64, 101, 2)


@pytest.fixture(autouse=True)
def settings(visit):
    """The photo in its own size and one painting, all controls as they begin."""
    visit.page.reload()
    visit.wait()
    visit.open("painting", FIRST, "first.png")
    visit.open("photo", PHOTO, "photo.png")


def assert_same(visit, stylized):
    found, expected = visit.result(), rounded(stylized.array)
    assert visit.message() == ""
    assert found.shape == expected.shape
    distance = np.abs(found.astype(int) - expected.astype(int))
    assert distance.max() <= TOLERANCE, (distance.max(), distance.mean())
    assert expected.std() > 5  # a picture, not one gray


def add_second(visit, weights):
    """A mix of the two paintings."""
    visit.page.click("#add-painting")
    visit.wait()
    visit.open("painting", SECOND, "second.png")
    for index, weight in enumerate(weights):
        visit.slide(visit.page.locator("#slots input[type=range]").nth(index), weight)


def test_odd_size(visit, stylizer):
    assert_same(visit, stylizer(PHOTO, FIRST))


@pytest.mark.parametrize("alpha", [0, 45])
def test_strength(visit, stylizer, alpha):
    visit.slide("alpha", alpha)
    assert_same(visit, stylizer(PHOTO, FIRST, alpha=alpha / 100))


def test_color_step(visit, stylizer):
    visit.slide("color-match", 30)
    assert_same(visit, stylizer(PHOTO, FIRST, color_match=0.3))


MATCH = """async ([pixels, wanted]) => {
  const { ColorMoments, applyColorMaps, colorMap } = await import("./color.js");
  const image = Float32Array.from(pixels);
  const palette = (pixels) => new ColorMoments().add(pixels).palette();
  applyColorMaps(image, [colorMap(palette(image), palette(wanted), 1)], null);
  return Array.from(image);
}"""


def test_color_step_to_nearly_one_hue_is_that_of_the_runtime(visit):
    rng = np.random.default_rng(0)
    photo = np.float32(rng.random((40, 50, 3)) @ (0.6 * rng.random((3, 3))))
    flat = rng.random((30, 40, 1)) * [0.9, 0.8, 0.6]
    painting = np.float32(flat + rng.random((30, 40, 3)) / 255)
    own, wanted = color.color_moments(photo), color.color_palette(painting)
    palette = color.mix_palettes([wanted], np.ones((1, 1)))
    expected = color.apply_color_map(photo, color.color_map(own, palette, np.ones(1)))
    pixels = [x.ravel().tolist() for x in (photo, painting)]
    found = np.reshape(visit.page.evaluate(MATCH, pixels), photo.shape)
    np.testing.assert_allclose(found, expected, atol=1e-5)


@pytest.mark.parametrize("color", ["luminance", "lab", "coral"])
def test_photo_keeps_its_colors(color, visit, stylizer):
    add_second(visit, [20, 60])
    visit.choose("colors", color)
    mix = {"weights": [0.25, 0.75], "color": color}
    assert_same(visit, stylizer(PHOTO, [FIRST, SECOND], **mix))
    assert np.abs(visit.result() - rounded(stylizer(PHOTO, FIRST).array)).max() > 20


@pytest.mark.parametrize("color", ["lab", "coral"])
def test_regions_keep_the_colors_of_their_places(color, visit, stylizer):
    add_second(visit, [50, 50])
    visit.run(
        "(s) => { const { labels, width } = s.brush;"
        "labels.forEach((_, p) => { labels[p] = p % width < 60 ? 2 : 0; });"
        "s.brush.key = 'left' }"
    )
    visit.page.check("#regions-on")
    visit.slide("feather", 4)
    visit.choose("colors", color)
    left = 255 * np.repeat(np.arange(147)[None] < 60, 99, axis=0).astype(np.uint8)
    looks = {"masks": [left, "rest"], "region_styles": [1, [0.5, 0.5]], "feather": 4}
    assert_same(visit, stylizer(PHOTO, [FIRST, SECOND], color=color, **looks))


def test_smaller_result_and_large_painting(visit, stylizer):
    photo, painting = draw(300, 411, 3), draw(600, 530, 2)
    visit.open("painting", painting, "large.png")
    visit.open("photo", photo, "larger.png")
    visit.size(256)
    assert_same(visit, stylizer(photo, painting, size=256))


@pytest.mark.parametrize("size", [128, 256])
def test_size_of_the_painting(visit, stylizer, size):
    painting = draw(140, 190, 2)
    visit.open("painting", painting, "sized.png")
    visit.page.select_option("#style-size", str(size))
    visit.wait()
    assert_same(visit, stylizer(PHOTO, painting, style_size=size))


def test_mix_of_paintings(visit, stylizer):
    add_second(visit, [30, 90])
    visit.slide("alpha", 80)
    stylized = stylizer(PHOTO, [FIRST, SECOND], weights=[0.25, 0.75], alpha=0.8)
    assert_same(visit, stylized)


@pytest.mark.parametrize("elsewhere", ["mix", "photo"])
def test_painted_regions(visit, stylizer, elsewhere):
    add_second(visit, [50, 50])
    visit.page.check("#regions-on")
    visit.slide("brush-size", 40)
    for label, row in ((1, 0.3), (2, 0.7)):
        visit.page.check(f"input[name=brush][value='{label}']")
        canvas = visit.page.locator("#brush-canvas")
        canvas.scroll_into_view_if_needed()
        box = canvas.bounding_box()
        top = box["y"] + row * box["height"]
        visit.page.mouse.move(box["x"] + 0.1 * box["width"], top)
        visit.page.mouse.down()
        visit.page.mouse.move(box["x"] + 0.6 * box["width"], top)
        visit.page.mouse.up()
        visit.wait()
    visit.choose("elsewhere", elsewhere)
    visit.slide("feather", 6)
    visit.slide("alpha", 70)
    labels = np.array(visit.run("(s) => Array.from(s.brush.labels)"), np.uint8)
    labels = labels.reshape(PHOTO.shape[:2])
    assert {*np.unique(labels)} == {0, 1, 2}
    masks = [255 * (labels == label).astype(np.uint8) for label in (1, 2)]
    rest = elsewhere == "mix"
    stylized = stylizer(
        PHOTO,
        [FIRST, SECOND],
        masks=[*masks, "rest"] if rest else masks,
        region_styles=[0, 1, [0.5, 0.5]] if rest else [0, 1],
        feather=6,
        alpha=0.7,
    )
    assert_same(visit, stylized)


@pytest.mark.parametrize("alpha", [100, 60])
def test_size_that_needs_windows(visit, stylizer, alpha):
    photo = draw(333, 401, 3)
    visit.open("photo", photo, "large.png")
    visit.size("own")
    visit.slide("alpha", alpha)
    windows = visit.page.evaluate(
        "async ([h, w, site]) => (await import('./tiles.js')).cutWindows("
        "h, w, { stride: 8, halo: 72, ...site }).length",
        [*photo.shape[:2], visit.run("(s) => s.site.models[0]")],
    )
    assert windows == 12
    assert_same(visit, stylizer(photo, FIRST, alpha=alpha / 100))


def test_regions_over_windows(visit, stylizer):
    photo = draw(301, 260, 3)
    visit.open("photo", photo, "large.png")
    visit.size("own")
    visit.page.check("#regions-on")
    canvas = visit.page.locator("#brush-canvas")
    visit.slide("brush-size", 30)
    canvas.focus()
    visit.page.keyboard.down(" ")  # by the keyboard this time
    for _ in range(12):
        visit.page.keyboard.press("ArrowRight")
    visit.page.keyboard.up(" ")
    visit.choose("elsewhere", "photo")
    labels = np.array(visit.run("(s) => Array.from(s.brush.labels)"), np.uint8)
    mask = 255 * labels.reshape(photo.shape[:2])
    assert 0 < mask.mean() < 200
    visit.slide("feather", 8)
    assert_same(visit, stylizer(photo, FIRST, masks=[mask], feather=8))
