"""Exported models in ONNX Runtime against the library, with every control."""

import subprocess
import sys

import jax
import numpy as np
import pytest
from exported import CASES, make_file

from styleflax.export import export_onnx
from styleflax.export.runtime import OnnxStylizer
from styleflax.inference.stylizer import Stylizer
from styleflax.methods.model import build_model

SIZES = {"even": (48, 64), "odd": (51, 45)}
FLOAT32 = 1e-4
"""The most that results may differ."""


@pytest.fixture(scope="module")
def pair(tmp_path_factory):
    """`pair(case)`: the library's stylizer and the exported one, each made once."""
    made = {}

    def make(case):
        if case not in made:
            file, folder = make_file(case), tmp_path_factory.mktemp("exported")
            export_onnx(file, folder)
            library = Stylizer(build_model(file), jax.devices()[:1], file=file)
            made[case] = library, OnnxStylizer(folder, threads=1)
        return made[case]

    return make


def pictures(size):
    rng = np.random.default_rng(sum(size))
    photo = rng.random((*size, 3), np.float32) ** 2
    return photo, [rng.random((*s, 3), np.float32) for s in ((24, 40), (37, 21))]


def regions(size):
    """Two soft regions that leave a corner free, and some of everywhere."""
    left = np.linspace(1, 0, size[1], dtype="f4") * np.ones((size[0], 1), "f4")
    masks = [0.8 * left, 0.9 * (1 - left)]
    for mask in masks:
        mask[:9, :9] = 0
    return masks


def of_styles(case, size):
    """A photo, and two styles as the method takes them."""
    photo, paintings = pictures(size)
    names = CASES[case][1].get("styles")
    if case.startswith("johnson"):
        return photo, [None]
    return photo, paintings if names is None else names[:2]


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("case", CASES)
def test_runtime_draws_what_the_library_does(case, size, pair):
    library, exported = pair(case)
    photo, styles = of_styles(case, SIZES[size])
    expected = library(photo, styles[0]).array
    assert expected.std() > 0.02
    np.testing.assert_allclose(exported(photo, styles[0]), expected, atol=FLOAT32)


@pytest.mark.parametrize("case", ["adain", "lite", "sanet"])
def test_runtime_obeys_every_control(case, pair):
    library, exported = pair(case)
    photo, styles = of_styles(case, SIZES["odd"])
    weights = [[0.25, 0.75], [1.0, 0.0]]
    part = np.zeros(styles[0].shape[:2], np.float32)
    part[5:20, 3:30] = 0.5
    controls = {
        "alpha": 0.8,
        "region_alphas": [1.0, 0.5],
        "style_masks": [part, None],
        "color_match": 0.7,
        "detail": 0.9,
        **({"level_balance": 0.3} if case == "sanet" else {}),
    }
    masks = regions(SIZES["odd"])
    expected = library(photo, styles, masks=masks, region_styles=weights, **controls)
    made = exported(photo, styles, masks=masks, weights=weights, **controls)
    np.testing.assert_allclose(made, expected.array, atol=FLOAT32)


def test_runtime_mixes_and_recolors_styles_of_a_model_s_own(pair):
    library, exported = pair("cin")
    photo, styles = of_styles("cin", SIZES["odd"])
    controls = {"masks": regions(SIZES["odd"]), "color_match": 0.7}
    weights = [[0.25, 0.75], [1.0, 0.0]]
    expected = library(photo, styles, region_styles=weights, **controls).array
    made = exported(photo, styles, weights=weights, **controls)
    np.testing.assert_allclose(made, expected, atol=FLOAT32)


def test_runtime_keeps_what_masks_leave_free_with_a_network_of_one_style(pair):
    library, exported = pair("johnson")
    photo, _ = of_styles("johnson", SIZES["even"])
    masks = regions(SIZES["even"])[:1]
    expected = library(photo, None, masks=masks).array
    np.testing.assert_allclose(exported(photo, masks=masks), expected, atol=FLOAT32)


def test_exaggeration_goes_beyond_strength_1(pair):
    library, exported = pair("lite")
    photo, styles = of_styles("lite", SIZES["even"])
    expected = library(photo, styles, exaggerate=1.5).array
    np.testing.assert_allclose(exported(photo, styles, alpha=1.5), expected, atol=1e-4)


def test_runtime_needs_no_jax():
    script = (
        "import sys, styleflax.export.runtime;"
        "print([m for m in ('jax', 'flax', 'onnx', 'PIL') if m in sys.modules])"
    )
    command = [sys.executable, "-c", script]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize(("case", "tile_px"), [("lite", 152), ("sanet", 272)])
def test_windows_draw_what_the_whole_photo_does(case, tile_px, pair, tmp_path):
    size = (40, tile_px + 35)
    _, whole = pair(case)
    export_onnx(make_file(case), tmp_path)
    tiled = OnnxStylizer(tmp_path, tile_px=tile_px, threads=1)
    photo, styles = of_styles(case, size)
    controls = {"masks": regions(size), "region_alphas": [1.0, 0.5], "detail": 1.0}
    expected = whole(photo, styles, **controls)
    np.testing.assert_allclose(tiled(photo, styles, **controls), expected, atol=1e-5)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"alpha": 11}, "alpha must be from 0 to 10, got 11"),
        ({"weights": [1, 1, 1]}, r"weights must .* \(2,\) or \(1, 2\), got \(3,\)"),
        ({"region_alphas": [1, 1]}, "region_alphas must be one per region, got 2"),
        ({"masks": [np.ones((3, 4))] * 2}, r"masks must be of the photo's size"),
        ({"level_balance": 0.3}, "controls must be among .* lite, got 'level_balance'"),
        ({"color_match": 2.0}, "color_match must be from 0 to 1, got 2.0"),
    ],
)
def test_arguments_out_of_range_are_named(arguments, message, pair):
    photo, styles = of_styles("lite", SIZES["even"])
    with pytest.raises(ValueError, match=message):
        pair("lite")[1](photo, styles, **arguments)


def test_pictures_that_are_none_are_refused(pair):
    _, exported = pair("lite")
    photo, styles = of_styles("lite", SIZES["even"])
    with pytest.raises(ValueError, match=r"photo must be an array .* of at least 16"):
        exported(photo[:15], styles)
    with pytest.raises(ValueError, match="painting must be an array"):
        exported(photo, None)
    with pytest.raises(ValueError, match="style must be of wave, starry, night, got 4"):
        pair("cin")[1](photo, 4)


def test_folders_and_windows_that_do_not_fit_are_refused(pair, tmp_path):
    with pytest.raises(FileNotFoundError, match=r"there is no manifest\.json in"):
        OnnxStylizer(tmp_path)
    export_onnx(make_file("lite"), tmp_path)
    with pytest.raises(ValueError, match=r"multiple of 8 from 152 on .* got 150"):
        OnnxStylizer(tmp_path, tile_px=150)
    (tmp_path / "manifest.json").write_text('{"format": 2}')
    with pytest.raises(ValueError, match="has the format 2, and this styleflax reads"):
        OnnxStylizer(tmp_path)
