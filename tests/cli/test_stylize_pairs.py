"""`--pairs`: photograph i in style i, and pairs of a CSV file."""

import json

import numpy as np
import pytest
from PIL import Image


@pytest.fixture
def many(write_picture, pictures):
    """Three photographs and three paintings, of three sizes."""
    for seed, name in enumerate("abc"):
        write_picture(pictures / "in" / f"p{name}.png", 20 + seed, 32, seed=seed)
        write_picture(pictures / "by" / f"s{name}.png", 24, 24, seed=seed + 9)
    return pictures


def names(folder):
    return sorted(p.relative_to(folder).as_posix() for p in folder.rglob("[!.]*.*"))


def write_csv(path, *rows, encoding="utf-8", separator=","):
    lines = [separator.join(map(str, row)) for row in rows]
    path.write_text("\n".join(lines) + "\n", encoding)
    return path


def test_zip_puts_each_photograph_into_its_own_style(command, fake, many, tmp_path):
    arguments = ("stylize", many / "in", "--style", many / "by", "--pairs", "zip")
    code, output, error = command(*arguments, "-o", tmp_path / "out")
    assert (code, error) == (0, "")
    expected = ["pa_sa.png", "pb_sb.png", "pc_sc.png"]
    assert names(tmp_path / "out") == expected
    assert sorted(output.splitlines()) == [str(tmp_path / "out" / n) for n in expected]
    assert len(fake.styles) == 3


def test_zip_keeps_the_order_given_and_repeats(command, fake, many, tmp_path):
    photos = [many / "in" / f"p{x}.png" for x in "aab"]
    styles = [many / "by" / f"s{x}.png" for x in "baa"]
    arguments = ("stylize", *photos, "--style", *styles, "--pairs", "zip")
    code, _, _ = command(*arguments, "-o", tmp_path / "out", "--json")
    assert code == 0
    assert names(tmp_path / "out") == ["pa_sa.png", "pa_sb.png", "pb_sa.png"]


def test_zip_of_different_numbers_is_refused(refuses, fake, many, tmp_path):
    out = ("--pairs", "zip", "-o", tmp_path / "out")
    error = refuses("stylize", many / "in", "--style", many / "photo.png", *out)
    assert "got 3 of PHOTO and 1 of --style" in error
    assert "PHOTO is missing" in refuses("stylize", "--style", many / "by", *out)
    assert "--style is missing" in refuses("stylize", many / "in", *out)
    both = ("stylize", many / "in", "--style", many / "by", "--blend", "1,1,1")
    assert "--blend puts all styles into one result" in refuses(*both, *out)
    assert fake.loads == []
    assert not (tmp_path / "out").exists()


def test_a_pair_is_what_it_is_alone(command, many, model_path, tmp_path):
    weights = ("--weights", model_path)
    pairs = ("stylize", many / "in", "--style", many / "by", "--pairs", "zip")
    assert command(*pairs, *weights, "-o", tmp_path / "pairs")[0] == 0
    for x in "abc":
        photo, style = many / "in" / f"p{x}.png", many / "by" / f"s{x}.png"
        alone = ("stylize", photo, "--style", style, *weights)
        command(*alone, "-o", tmp_path / "alone.png", "--overwrite")
        with (
            Image.open(tmp_path / "alone.png") as one,
            Image.open(tmp_path / "pairs" / f"p{x}_s{x}.png") as other,
        ):
            np.testing.assert_array_equal(np.asarray(one), np.asarray(other))


def test_rows_of_a_file_have_their_own_strengths_and_names(
    command, many, model_path, tmp_path
):
    a, b = many / "in" / "pa.png", many / "in" / "pb.png"
    s, t = many / "by" / "sa.png", many / "by" / "sb.png"
    rows = write_csv(
        tmp_path / "rows.csv",
        ("content", "style", "alpha", "output"),
        (a, s, 1, "one.png"),
        (a, s, 0.5, "deep/half.jpg"),
        (a, s, "", ""),
        (b, t, 0.5, "no_suffix"),
        (b, s, 0.25, ""),
    )
    weights = ("--weights", model_path, "--alpha", "0.25")
    out = tmp_path / "out"
    code, output, error = command(
        "stylize", "--pairs", rows, "-o", out, *weights, "--json"
    )
    assert (code, error) == (0, "")
    expected = ["deep/half.jpg", "no_suffix.png", "one.png", "pa_sa.png", "pb_sa.png"]
    assert names(out) == expected
    *lines, summary = map(json.loads, output.splitlines())
    assert summary["summary"]["pictures"] == 5
    assert {line["output"] for line in lines} == {str(out / name) for name in expected}
    for name, photo, alpha in (("one", a, 1), ("pa_sa", a, 0.25), ("pb_sa", b, 0.25)):
        alone = ("stylize", photo, "--style", s, "--weights", model_path)
        command(*alone, "--alpha", alpha, "-o", tmp_path / "x.png", "--overwrite")
        with (
            Image.open(tmp_path / "x.png") as one,
            Image.open(out / f"{name}.png") as two,
        ):
            np.testing.assert_array_equal(np.asarray(one), np.asarray(two))


def test_the_same_row_twice_is_made_twice(command, fake, many, tmp_path):
    row = (many / "photo.png", many / "painting.png")
    header = ("content", "style", "output")
    rows = write_csv(tmp_path / "r.csv", header, (*row, "x.png"), (*row, "y.png"))
    assert command("stylize", "--pairs", rows, "-o", tmp_path / "out")[0] == 0
    assert names(tmp_path / "out") == ["x.png", "y.png"]


@pytest.mark.parametrize(
    ("encoding", "separator"), [("utf-8-sig", ","), ("utf-8", ";"), ("utf-8", "\t")]
)
def test_files_of_spreadsheets_are_read(
    command, fake, many, tmp_path, encoding, separator
):
    row = (many / "photo.png", many / "painting.png", "0,5" if separator == ";" else 0)
    rows = write_csv(
        tmp_path / "rows.csv",
        ("Content", " STYLE", "alpha"),
        row,
        ("", "", ""),
        encoding=encoding,
        separator=separator,
    )
    assert command("stylize", "--pairs", rows, "-o", tmp_path / "out")[0] == 0
    assert names(tmp_path / "out") == ["photo_painting.png"]


def test_relative_paths_are_from_here_or_beside_the_file(
    command, fake, many, tmp_path, monkeypatch
):
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    header, row = ("content", "style"), ("in/pa.png", "by/sa.png")
    beside = write_csv(many / "rows.csv", header, row)
    assert command("stylize", "--pairs", beside, "-o", "out")[0] == 0
    monkeypatch.chdir(many)
    here = write_csv(tmp_path / "rows.csv", header, row)
    assert command("stylize", "--pairs", here, "-o", "out")[0] == 0
    assert names(many / "out") == names(tmp_path / "elsewhere" / "out")


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([("a", "b")], "must name its columns: content and style"),
        ([("content", "style", "ouput")], "must name its columns"),
        ([("content", "style")], "must have a row"),
        ([("content", "style"), ("P",)], "line 2 must have 2 cells"),
        ([("content", "style"), ("P", "S"), ("no.png", "S")], "line 3, content: there"),
        (
            [("content", "style"), ("P", "D")],
            "line 2, style must be an image",
        ),
        ([("content", "style"), ("P", "")], "line 2 must have a style"),
        ([("content", "style", "alpha"), ("P", "S", 1.5)], "line 2: alpha must be a"),
        ([("content", "style", "alpha"), ("P", "S", "x")], "line 2: alpha must be a"),
        ([("content", "style", "output"), ("P", "S", "x.jgp")], "did you mean 'x.jpg'"),
        (
            [("content", "style", "output"), ("P", "S", "x.png"), ("P", "S", "X.png")],
            "output must differ from row to row",
        ),
        ([("content", "style", "output"), ("P", "S", "x.jpg")], "--format must be"),
    ],
)
def test_a_row_that_cannot_be_used_is_named(
    refuses, fake, many, tmp_path, rows, message
):
    named = {"P": many / "photo.png", "S": many / "painting.png", "D": many / "by"}
    file = write_csv(
        tmp_path / "rows.csv", *([named.get(c, c) for c in row] for row in rows)
    )
    out = ("-o", tmp_path / "out", "--format", "png")
    error = refuses("stylize", "--pairs", file, *out)
    assert message in error
    assert fake.loads == []
    assert not (tmp_path / "out").exists()


def test_a_file_has_photographs_and_styles_itself(refuses, fake, many, tmp_path):
    row = (many / "photo.png", many / "painting.png")
    file = write_csv(tmp_path / "rows.csv", ("content", "style"), row)
    out = ("--pairs", file, "-o", tmp_path / "out")
    assert "must be omitted" in refuses("stylize", many / "photo.png", *out)
    assert "must be omitted" in refuses("stylize", "--style", many / "by", *out)
    none = ("--pairs", tmp_path / "none.csv", "-o", tmp_path / "out")
    assert "--pairs: there is no CSV file" in refuses("stylize", *none)
    word = ("--pairs", "zipp", "-o", tmp_path / "out")
    assert "--pairs must be zip or a CSV file, got 'zipp'" in refuses("stylize", *word)
    assert "PHOTO is missing" in refuses("stylize", "-o", tmp_path / "out")


def test_one_pair_may_go_to_a_file(command, fake, many, tmp_path):
    row = (many / "photo.png", many / "painting.png")
    file = write_csv(tmp_path / "rows.csv", ("style", "content"), row[::-1])
    assert command("stylize", "--pairs", file, "-o", tmp_path / "one.png")[0] == 0
    assert (tmp_path / "one.png").is_file()
