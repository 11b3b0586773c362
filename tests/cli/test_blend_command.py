import numpy as np
import pytest
from PIL import Image

import styleflax


@pytest.fixture
def arguments(pictures, tmp_path):
    """Arguments that stylize one photo with two paintings."""
    paintings = (pictures / "painting.png", pictures / "arts" / "s.png")
    styles = ("--style", paintings[0], "--style", paintings[1])
    return ["stylize", pictures / "photo.png", *styles, "-o", tmp_path / "out"]


def read(path):
    with Image.open(path) as image:
        return np.asarray(image)


def test_a_blend_makes_one_picture_named_after_all_styles(
    command, arguments, pictures, model_path, tmp_path
):
    code, output, _ = command(*arguments, "--blend", "3,1", "--weights", model_path)
    out = tmp_path / "out" / "photo_painting+s.png"
    assert (code, output) == (0, f"{out}\n")
    assert [path.name for path in out.parent.glob("[!.]*")] == [out.name]
    stylizer = styleflax.Stylizer.load(model_path)
    paintings = [pictures / "painting.png", pictures / "arts" / "s.png"]
    expected = stylizer(pictures / "photo.png", paintings, weights=[0.75, 0.25])
    np.testing.assert_array_equal(read(out), expected.to_pillow())


def test_without_a_blend_every_style_has_its_picture(
    command, arguments, model_path, tmp_path
):
    code, _, _ = command(*arguments, "--weights", model_path)
    assert code == 0
    names = sorted(path.name for path in (tmp_path / "out").glob("[!.]*"))
    assert names == ["photo_painting.png", "photo_s.png"]


def test_the_level_balance_is_that_of_the_library(
    command, pictures, sanet_path, tmp_path
):
    out = tmp_path / "out.png"
    pair = pictures / "photo.png", pictures / "painting.png"
    code, _, _ = command(
        *("stylize", pair[0], "--style", pair[1], "-o", out),
        *("--weights", sanet_path, "--level-balance", "0.2"),
    )
    assert code == 0
    expected = styleflax.Stylizer.load(sanet_path)(*pair, level_balance=0.2)
    np.testing.assert_array_equal(read(out), expected.to_pillow())


@pytest.mark.parametrize(
    ("blend", "message"),
    [
        ("0.5", "weights must be one per style, got 1 for 2 styles"),
        ("1,2,3", "weights must be one per style, got 3 for 2 styles"),
        ("1,-1", "weights must be finite, at least 0 and not all 0, got [1.0, -1.0]"),
        ("0,0", "not all 0"),
        ("nan,1", "finite"),
        ("half,half", "--blend must be numbers joined by commas, got 'half,half'"),
        ("", "--blend must be numbers joined by commas, got ''"),
    ],
)
def test_a_blend_that_does_not_fit_is_one_line(
    refuses, arguments, model_path, tmp_path, blend, message
):
    error = refuses(*arguments, f"--blend={blend}", "--weights", model_path)
    assert message in error
    assert not (tmp_path / "out").exists()


def test_a_control_that_the_model_lacks_is_one_line(
    refuses, arguments, model_path, sanet_path
):
    error = refuses(*arguments, "--level-balance=0.5", "--weights", model_path)
    assert "no control 'level_balance'; sanet has it" in error
    error = refuses(*arguments, "--level-balance=2", "--weights", sanet_path)
    assert "level_balance must be in [0, 1], got 2.0" in error


def test_rows_are_split_where_that_is_asked(
    command, arguments, model_path, monkeypatch
):
    asked = []
    load = styleflax.Stylizer.load

    def spy(weights, *, split_rows=False, tile_px=None):
        asked.append(split_rows)
        return load(weights)

    monkeypatch.setattr(styleflax.Stylizer, "load", spy)
    for flags in ([], ["--split-rows", "--overwrite"]):
        code, _, _ = command(*arguments, "--weights", model_path, *flags)
        assert code == 0
    assert asked == [False, True]


def test_tiles_that_cannot_be_are_one_line(refuses, arguments, model_path):
    flags = "--weights", model_path, "--tile"
    error = refuses(*arguments, *flags, "100")
    assert "tile_px must be a multiple of 8 and at least 136" in error
    error = refuses(*arguments, *flags, "256", "--split-rows")
    assert "by rows or into tiles, not both" in error


def test_a_style_mask_is_of_the_style_of_its_number(fake, command, pictures, tmp_path):
    mask = pictures / "photo.png"
    styles = "--style", pictures / "painting.png", pictures / "arts"
    code, *_ = command(
        *("stylize", mask, *styles, "-o", tmp_path / "out"),
        *("--style-mask", f"{mask}:2"),
    )
    assert code == 0
    assert fake.masks[0] is None
    assert fake.masks[1].shape == (32, 32)


def test_one_painting_may_come_twice_with_two_masks(fake, command, pictures, tmp_path):
    mask, painting = pictures / "photo.png", pictures / "painting.png"
    twice = "--style", painting, "--style", painting
    regions = "--mask", mask, "--mask", "rest"
    code, *_ = command(
        *("stylize", mask, *twice, *regions, "-o", tmp_path / "out.png"),
        *("--style-mask", f"{mask}:1", "--style-mask", f"{painting}:2"),
    )
    assert code == 0
    assert len(fake.masks) == 2
    assert not np.array_equal(*fake.masks)
    # Without a use for it, a painting that is given twice is made once.
    fake.styles.clear()
    assert command("stylize", mask, *twice, "-o", tmp_path / "one.png")[0] == 0
    assert len(fake.styles) == 1


def test_impossible_style_masks_are_refused(fake, refuses, pictures, tmp_path):
    photo = pictures / "photo.png"
    given = "stylize", photo, "--style", photo, "-o", tmp_path / "out.png"
    assert "STYLE must be from 1 to 1" in refuses(*given, "--style-mask", f"{photo}:2")
    assert "there is no image 'x.png'" in refuses(*given, "--style-mask", "x.png")
    assert "@ALPHA is allowed in --mask" in refuses(
        *given, "--style-mask", f"{photo}:1@0.5"
    )
    (tmp_path / "kept.style").touch()
    kept = "stylize", photo, "--style", tmp_path / "kept.style", "-o", given[-1]
    assert "requires a painting with pixels" in refuses(*kept, "--style-mask", photo)
    assert not fake.loads
