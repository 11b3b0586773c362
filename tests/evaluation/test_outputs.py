from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from styleflax.evaluation.systems import find_outputs, load_output_u8, parse_outputs

PAIRS = [("a", "s"), ("a", "t")]


def test_outputs_are_found_by_any_of_the_names(write_picture, tmp_path):
    for name in ("a__s.png", "below/a_stylized_t.jpg", "unrelated.png"):
        write_picture(tmp_path / name)
    found = find_outputs("lite", tmp_path, PAIRS)
    assert found == {
        ("a", "s"): tmp_path / "a__s.png",
        ("a", "t"): tmp_path / "below" / "a_stylized_t.jpg",
    }
    write_picture(tmp_path / "c-d.png")
    assert find_outputs("lite", tmp_path, [("c", "d")])


def test_missing_outputs_are_counted_and_some_are_named(write_picture, tmp_path):
    write_picture(tmp_path / "a-s.png")
    pairs = [*PAIRS, *((f"c{i}", "s") for i in range(9))]
    with pytest.raises(ValueError, match=r"lite: .*lacks 10 of 11 .* a__t, c0__s") as e:
        find_outputs("lite", tmp_path, pairs)
    assert "c8" not in str(e.value)
    assert "CONTENT_stylized_STYLE" in str(e.value)


def test_several_outputs_of_a_pair_are_refused(write_picture, tmp_path):
    for name in ("a__s.png", "a-s.png", "a__t.png"):
        write_picture(tmp_path / name)
    with pytest.raises(ValueError, match=r"1 pairs have several.*a__s\.png.*a-s\.png"):
        find_outputs("lite", tmp_path, PAIRS)


def test_an_output_of_two_pairs_is_refused(write_picture, tmp_path):
    write_picture(tmp_path / "a-b-c.png")
    with pytest.raises(ValueError, match=r"\(a, b-c\) and \(a-b, c\)"):
        find_outputs("lite", tmp_path, [("a", "b-c"), ("a-b", "c")])


def test_missing_folder_of_outputs_is_reported(tmp_path):
    with pytest.raises(FileNotFoundError, match="no folder"):
        find_outputs("lite", tmp_path / "nothing", PAIRS)


def test_output_of_another_size_is_resized_by_lanczos(write_picture, tmp_path):
    picture = write_picture(tmp_path / "a.png", 48, 48, seed=5)
    expected = Image.fromarray(picture).resize((64, 64), Image.Resampling.LANCZOS)
    found = load_output_u8(tmp_path / "a.png", 64)
    np.testing.assert_array_equal(found, np.asarray(expected))
    same = load_output_u8(tmp_path / "a.png", 48)
    np.testing.assert_array_equal(same, picture)


def test_output_that_is_no_square_is_refused(write_picture, tmp_path):
    write_picture(tmp_path / "a.png", 48, 64)
    with pytest.raises(ValueError, match="64x48 px; outputs must be square"):
        load_output_u8(tmp_path / "a.png", 64)


def test_name_and_folder_are_told_apart_at_the_first_colon():
    assert parse_outputs("lite@0.5:/a:b") == ("lite@0.5", Path("/a:b"))


@pytest.mark.parametrize("text", ["lite", "lite:", ":dir", "a/b:dir", "..:dir"])
def test_other_forms_of_outputs_are_refused(text):
    with pytest.raises(ValueError, match="outputs"):
        parse_outputs(text)
