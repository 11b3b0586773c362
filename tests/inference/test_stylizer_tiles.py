import jax
import numpy as np
import pytest
from narrow_stylizer import make_narrow_stylizer

from styleflax.images import files
from styleflax.inference import render as sizes
from styleflax.inference.masks import layout as laid_masks
from styleflax.inference.tiles.windows import count_windows, cut_windows
from styleflax.methods.base import Tiling

TILE = {"adain": 144, "sanet": 272}
COMPILED = "/jax/core/compile/backend_compile_duration"
MASK = np.random.default_rng(0).uniform(size=(7, 90)).astype("f4")
# Two regions each, so that the same programs serve all of them.
CONTROLS = {
    "lab": {"masks": [MASK, "rest"], "color": "lab", "region_alphas": [0.4, 0.9]},
    "coral": {"masks": [MASK, "rest"], "color": "coral"},
    "luminance": {
        "masks": [MASK],
        "weights": [0.3, 0.7],
        "feather": 3.0,
        "color": "luminance",
        "alpha": 0.6,
    },
    "style": {"masks": [MASK, "rest"], "style_masks": [MASK, None], "alpha": 0.6},
    "matched": {
        "masks": [MASK, "rest"],
        "region_alphas": [0.3, 0.9],
        "color_match": 1.0,
        "detail": 1.0,
    },
}


def picture(height, width):
    rng = np.random.default_rng(height + 1000 * width)
    return rng.integers(0, 256, (height, width, 3), dtype=np.uint8)


PAINTINGS = [picture(32, 24), picture(24, 40)]


@pytest.fixture(scope="module", params=["adain", "sanet"])
def name(request):
    return request.param


@pytest.fixture(scope="module")
def whole(name, shared_programs):
    return make_narrow_stylizer(name, tile_px=0)


@pytest.fixture(scope="module")
def tiled(name, shared_programs):
    return make_narrow_stylizer(name, tile_px=TILE[name])


# CORAL changes the painting before any tile is seen.
@pytest.mark.parametrize("color", [color for color in CONTROLS if color != "coral"])
def test_tiles_make_the_whole_picture(name, whole, tiled, color):
    content, controls = picture(TILE[name] + 21, 45), CONTROLS[color]
    expected, got = (one(content, PAINTINGS, **controls) for one in (whole, tiled))
    assert got.array.dtype == np.float32
    # The way back from CIELAB is steep in the dark, and enlarges what rounding left.
    atol = 5e-4 if color == "lab" else 1e-4
    np.testing.assert_allclose(got.array, expected.array, atol=atol, rtol=0)


def test_large_pictures_tell_what_they_cost_and_how_far_they_are(name, tiled):
    told, done = [], []
    tiled.watch(told.append, lambda *counts: done.append(counts))
    content = picture(TILE[name] + 21, 45)
    for color in ("coral", "lab"):
        tiled(content, PAINTINGS, **CONTROLS[color])
    assert done == 2 * [(1, 3), (2, 3), (3, 3)]
    # Only SANet's content attends to itself.
    assert len(told) == (name == "sanet")
    assert all("teraflops" in line for line in told)


def test_after_a_folder_of_3_pictures_those_of_other_sizes_compile_nothing(
    name, monkeypatch, shared_programs
):
    monkeypatch.setattr(sizes, "SMALL_TILE_PX", TILE[name])
    monkeypatch.setattr(sizes, "LADDER", (TILE[name],))
    stylizer = make_narrow_stylizer(name)
    controls = CONTROLS["lab" if name == "sanet" else "coral"]
    styles = [stylizer.prepare_style(x, controls["color"]) for x in PAINTINGS]
    folder = [(40, 30), (30, 40), (33, 21)]
    others = [(17 + k, 90 - k) for k in range(0, 46, 5)]
    others += [(TILE[name] + k, 16 + k) for k in range(3)]
    compiled = []

    def count(event, _seconds, **_):
        compiled.extend([event] if event == COMPILED else [])

    jax.monitoring.register_event_duration_secs_listener(count)
    try:
        for size in folder:
            stylizer(picture(*size), styles, **controls)
        assert compiled
        compiled.clear()
        for size in others:
            stylizer(picture(*size), styles, **controls)
    finally:
        jax.monitoring.unregister_event_duration_listener(count)
    assert len({*folder, *others}) == 16
    assert compiled == []


def test_small_pictures_of_two_sizes_and_batches_are_seen_whole():
    seen = sizes.Sizes(None, Tiling(16, 128))
    for height, width in ((300, 200), (200, 300), (300, 200)):
        assert seen.tile_for(1, height, width) == 0
    assert seen.tile_for(1, 301, 200) == sizes.SMALL_TILE_PX
    assert seen.tile_for(8, 301, 200) == 0
    assert seen.tile_for(1, 200, 300) == 0


@pytest.mark.parametrize("tiling", [Tiling(8, 64), Tiling(16, 128)], ids=str)
def test_windows_are_of_four_sizes_and_small_pictures_of_small_ones(tiling):
    seen, chosen = sizes.Sizes(None, tiling), set()
    seen.expect(3)
    for height in (*range(16, 600, 23), 1200, 2000, 4000):
        for width in (*range(16, 600, 17), 1000, 3000):
            tile_px = seen.tile_for(1, height, width)
            chosen.add(tile_px)
            count = count_windows(height, width, tile_px, tiling)
            assert count == len(cut_windows(height, width, tile_px, tiling))
    assert chosen == set(sizes.LADDER)
    assert len(sizes.LADDER) <= 4
    for height, width in ((120, 160), (160, 120), (128, 128), (224, 224), (192, 256)):
        tile_px = seen.tile_for(1, height, width)
        assert tile_px**2 < 1.75 * height * width


@pytest.mark.parametrize(("height", "width"), [(160, 97), (33, 16)])
def test_a_window_of_a_whole_picture_may_be_small(name, whole, height, width):
    stylizer = make_narrow_stylizer(name)
    stylizer.expect(3)
    content = picture(height, width)
    assert stylizer._renderer.sizes.tile_for(1, height, width) == 160
    styles = PAINTINGS[0]
    expected, got = (one(content, styles).array for one in (whole, stylizer))
    np.testing.assert_allclose(got, expected, atol=1e-4, rtol=0)


def test_where_many_sizes_will_come_none_is_seen_whole():
    seen = sizes.Sizes(None, Tiling(16, 128))
    seen.expect(3)
    assert seen.tile_for(1, 300, 200) == sizes.SMALL_TILE_PX
    seen.expect(2)
    assert seen.tile_for(1, 300, 200) == 0


def test_large_pictures_are_seen_through_windows():
    seen = sizes.Sizes(None, Tiling(16, 128))
    assert seen.tile_for(1, 1080, 1920) == 0
    assert seen.tile_for(1, 1500, 2000) == 512
    assert seen.tile_for(2, 3000, 4000) == 1024
    assert sizes.Sizes(0, Tiling(16, 128)).tile_for(1, 9000, 9000) == 0
    assert sizes.Sizes(272, Tiling(16, 128)).tile_for(1, 20, 20) == 272
    assert sizes.Sizes(None, None).tile_for(1, 9000, 9000) == 0


@pytest.mark.parametrize("tile_px", [100, 128, -16, 1])
def test_tiles_that_cannot_be_are_refused(tile_px):
    message = f"tile_px must be a multiple of 8 and at least 136 .*, got {tile_px}"
    with pytest.raises(ValueError, match=message):
        make_narrow_stylizer("adain", tile_px=tile_px)
    with pytest.raises(ValueError, match="needs whole pictures: tile_px=0"):
        sizes.Sizes(256, None)


def test_pictures_are_split_by_rows_or_into_tiles():
    with pytest.raises(ValueError, match="by rows or into tiles, not both"):
        make_narrow_stylizer("adain", tile_px=144, split_rows=True)


@pytest.mark.parametrize("color", ["style", "luminance", "lab", "coral"])
def test_bands_of_rows_make_no_difference(
    narrow_adain, small_pictures, monkeypatch, color
):
    content, first, _ = small_pictures
    controls = {"color": color, "masks": [MASK], "feather": 2.0, "alpha": 0.5}
    large = content.repeat(2, axis=0)[:61]
    sizes_px = {"size": 32, "restore_size": True}
    expected = narrow_adain(large, first, **controls, **sizes_px).array
    # Kept up to 16 rows of it at once.
    for module in (laid_masks, files):
        monkeypatch.setattr(module, "BAND_PX", 16 * 32)
    made = narrow_adain(large, first, **controls, **sizes_px).array
    np.testing.assert_allclose(made, expected, atol=1e-5)
    assert made.shape == large.shape
