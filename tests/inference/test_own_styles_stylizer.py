"""Stylizers of models that hold their styles themselves."""

import numpy as np
import pytest
from own_styles import make_file, make_stylizer

from styleflax.inference.styles.encode import find_style

PHOTO = np.random.default_rng(0).integers(0, 256, (19, 24, 3), dtype=np.uint8)
NAMES = ("wave", "starry", "2")


@pytest.mark.parametrize(
    ("given", "index"), [("wave", 0), ("starry", 1), (1, 0), ("3", 2), ("2", 2)]
)
def test_a_style_is_found_by_name_or_else_by_number(given, index):
    assert find_style(NAMES, given) == index


@pytest.mark.parametrize("given", ["monet", 0, 4, None, np.zeros((4, 4, 3))])
def test_a_style_that_there_is_not_is_refused_with_those_that_are(given):
    with pytest.raises(ValueError, match=r"wave, starry, 2"):
        find_style(NAMES, given)


@pytest.fixture(scope="module")
def cin(shared_programs):
    return make_stylizer(make_file("cin"), "cin")


def test_names_numbers_and_style_files_give_the_same_picture(cin, tmp_path):
    cin.save_style("starry", tmp_path / "starry.style")
    by_name, *others = (
        cin(PHOTO, style).array for style in ("starry", 2, tmp_path / "starry.style")
    )
    for other in others:
        np.testing.assert_array_equal(other, by_name)
    blend = cin(PHOTO, ["wave", "starry"], weights=[0, 1]).array
    np.testing.assert_allclose(blend, by_name, atol=1e-5)


def test_what_such_a_model_cannot_do_is_refused(cin, tmp_path):
    with pytest.raises(ValueError, match="'strength'"):
        cin(PHOTO, "wave", alpha=0.5)
    with pytest.raises(ValueError, match="style_size"):
        cin(PHOTO, "wave", style_size=64)
    with pytest.raises(ValueError, match="coral"):
        cin(PHOTO, "wave", color="coral")
    with pytest.raises(ValueError, match="style train"):
        cin(PHOTO, PHOTO)
    other = make_stylizer(make_file("cin", seed=1), "other")
    other.save_style("wave", tmp_path / "wave.style")
    with pytest.raises(ValueError, match="belongs to the model 'other'"):
        cin(PHOTO, tmp_path / "wave.style")


def test_a_model_of_one_style_needs_none_and_takes_no_second(shared_programs):
    johnson = make_stylizer(make_file("johnson"), "johnson")
    made = johnson(PHOTO).array
    np.testing.assert_array_equal(johnson(PHOTO, "wave").array, made)
    with pytest.raises(ValueError, match="'weights'"):
        johnson(PHOTO, ["wave", "wave"])
    mask = np.zeros((19, 24))
    mask[:, :12] = 1
    kept = johnson(PHOTO, masks=mask).array
    np.testing.assert_allclose(kept[:, 13:] * 255, PHOTO[:, 13:], atol=1e-3)
    np.testing.assert_allclose(kept[:, :11], made[:, :11], atol=1e-5)
