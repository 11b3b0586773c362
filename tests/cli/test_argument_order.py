"""Names on a command line: which are paintings, which are photos."""

import pytest
from PIL import Image

from styleflax.cli.app import spread_styles


@pytest.mark.parametrize(
    ("given", "spread"),
    [
        ("p --style a b -o x", "p --style a --style b -o x"),
        ("p -o x --style a b c", "p -o x --style a --style b --style c"),
        ("p --style a --style b", "p --style a --style b"),
        ("--style a p -o x", "--style a p -o x"),
        ("-o x --style a p", "-o x --style a p"),
        ("--style a --style b p", "--style a --style b p"),
        ("--style a p --style b", "--style a p --style b"),
        ("--style a -o x p q", "--style a -o x p q"),
        ("--style a --json p q", "--style a --json p q"),
        ("--style=a p q", "--style=a p q"),
        ("--style a -- p q", "--style a -- p q"),
        ("--style a b -- p", "--style a --style b -- p"),
        ("--style a -- p --style q", "--style a -- p --style q"),
        ("-ox p --style a b", "-ox p --style a --style b"),
        ("p --size=9 --style a b", "p --size=9 --style a --style b"),
        ("p --style a --alpha 0 q", "p --style a --alpha 0 q"),
        ("--json p --style a b", "--json p --style a --style b"),
        ("- -o - --style a b", "- -o - --style a --style b"),
        ("p --style a b --style c d", "p --style a --style b --style c --style d"),
    ],
)
def test_styles_spread_after_photos_only(given, spread):
    assert spread_styles(["stylize", *given.split()]) == ["stylize", *spread.split()]
    assert spread_styles(["other", *given.split()]) == ["other", *given.split()]


@pytest.mark.parametrize("command", ["stylize", "sheet", "video"])
@pytest.mark.parametrize(
    "given",
    [
        "--style a b p -o x",
        "-o x --style a b p",
        "--style a b --style c p",
        "--style a p --style b c",
        "--style a b -o x p",
        "--style a b c d e f p",
        "--style a - p",
    ],
)
def test_names_with_two_readings_are_refused(command, given):
    with pytest.raises(ValueError, match="may be paintings or"):
        spread_styles([command, *given.split()])


def test_the_refusal_is_one_line_that_names_both_readings(refuses, pictures, tmp_path):
    names = [pictures / name for name in ("painting.png", "arts/s.png", "photo.png")]
    a, b, photo = names
    out = tmp_path / "out"
    error = refuses("stylize", "--style", a, b, photo, "-o", out)
    assert f"styleflax stylize {photo} --style {a} {b}." in error
    assert f"styleflax stylize --style {a} -- {b} {photo}" in error
    assert not out.exists()


def test_two_dashes_say_which_are_the_photos(command, fake, pictures, tmp_path):
    a, b, photo = (pictures / n for n in ("painting.png", "arts/s.png", "photo.png"))
    out = tmp_path / "out"
    assert command("stylize", "-o", out, "--style", a, "--", b, photo)[0] == 0
    assert sorted(p.name for p in out.glob("[!.]*")) == [
        "photo_painting.png",
        "s_painting.png",
    ]
    with Image.open(out / "s_painting.png") as image:
        assert image.size == Image.open(b).size
