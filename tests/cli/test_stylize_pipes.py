"""The command among others: standard input and output, lines of JSON."""

import io
import json

import pytest

from styleflax.images.read import read_picture


@pytest.fixture
def pipe(monkeypatch):
    """`pipe(data)` puts data into standard input; it returns standard output."""

    def make(data=b""):
        out = io.BytesIO()
        monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(data)))
        monkeypatch.setattr("sys.stdout", io.TextIOWrapper(out))
        return out

    return make


def test_json_has_a_line_for_every_picture_and_a_summary(
    stylize_fake, pictures, tmp_path
):
    (pictures / "photos" / "c.png").write_text("no picture")
    code, output, _ = stylize_fake(pictures / "photos", "--json")
    *lines, summary = [json.loads(line) for line in output.splitlines()]
    assert code == 1
    good, _, bad = lines
    assert good["input"] == str(pictures / "photos" / "a.png")
    assert good["styles"] == [str(pictures / "painting.png")]
    assert good["output"] == str(tmp_path / "out" / "a_painting.png")
    assert (good["size"], good["error"], good["warnings"]) == ([32, 32], None, [])
    assert good["seconds"] >= 0
    assert "is not an image" in bad["error"]
    assert bad["output"] is None
    assert (summary["summary"]["pictures"], summary["summary"]["failed"]) == (3, 1)
    seconds = summary["summary"]["seconds"]
    assert list(seconds) == ["import", "weights", "compile", "run"]


def test_json_of_one_bad_picture_is_a_line_too(stylize_fake, tmp_path):
    (tmp_path / "x.png").write_text("no picture")
    code, output, _ = stylize_fake(tmp_path / "x.png", "--json")
    assert code == 1
    assert "is not an image" in json.loads(output.splitlines()[0])["error"]


@pytest.mark.parametrize(
    ("flags", "kind"), [([], "PNG"), (["--format", "webp"], "WEBP")]
)
def test_dashes_are_standard_input_and_output(
    fake, pictures, pipe, command, flags, kind
):
    out = pipe((pictures / "photo.png").read_bytes())
    arguments = ["--style", pictures / "painting.png", "-o", "-", *flags]
    assert command("stylize", "-", *arguments)[0] == 0
    picture = read_picture(out.getvalue())
    assert (picture.format, picture.rgb_u8.shape) == (kind, (32, 32, 3))


def test_a_painting_can_be_piped_and_names_its_file(
    fake, command, pictures, pipe, tmp_path
):
    pipe((pictures / "painting.png").read_bytes())
    photo = pictures / "photo.png"
    code, _, _ = command("stylize", photo, "--style", "-", "-o", tmp_path / "out")
    assert (code, [p.name for p in (tmp_path / "out").glob("[!.]*")]) == (
        0,
        ["photo_stdin.png"],
    )


@pytest.mark.parametrize(
    ("data", "message"),
    [(b"", "standard input is not an image"), (b"x" * 99, "standard input is not")],
)
def test_what_is_no_picture_in_a_pipe_is_one_line(
    fake, refuses, pictures, pipe, tmp_path, data, message
):
    pipe(data)
    out = tmp_path / "x.png"
    arguments = ["stylize", "-", "--style", pictures / "painting.png", "-o", out]
    assert message in refuses(*arguments)
    assert not out.exists()


@pytest.mark.parametrize(
    ("photo", "flags", "message"),
    [
        ("-", ["--style", "-", "-o", "x.png"], "cannot be both"),
        (
            "photos",
            ["--style", "painting.png", "-o", "-"],
            "-o must be a folder for 2 results",
        ),
        ("photo.png", ["--style", "painting.png", "-o", "-", "--json"], "--json and"),
        (
            *("photo.png", ["--style", "painting.png", "-o", "x.jpg", "--format=png"]),
            "--format must be the format of -o 'x.jpg', got png",
        ),
        ("photo.png", ["--style", "painting.png", "-o", "x.heic"], "must be one of"),
        (
            *("photo.png", ["--style", "painting.png", "-o", "x", "--metadata=all"]),
            "--metadata",
        ),
        (
            *("photo.png", ["--style=painting.png", "-o", "x", "--max-megapixels=nan"]),
            "--max-megapixels must be above 0, got nan",
        ),
    ],
)
def test_what_cannot_be_is_said_before_any_work(
    fake, refuses, pictures, monkeypatch, photo, flags, message
):
    monkeypatch.chdir(pictures)
    assert message in refuses("stylize", photo, *flags)
    assert fake.loads == []
    assert not (pictures / "x.png").exists()


def test_pictures_do_not_go_to_a_terminal(fake, refuses, pictures, monkeypatch):
    monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)
    flags = ["--style", pictures / "painting.png", "-o", "-"]
    assert "redirect them" in refuses("stylize", pictures / "photo.png", *flags)
