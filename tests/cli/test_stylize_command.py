from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import styleflax
from styleflax.inference.folders.results import pair_names
from styleflax.inference.folders.sources import Source
from styleflax.weights.store import save_model


@pytest.fixture
def stylize(pictures, model_path):
    """Arguments that stylize one photo, before those that a test adds."""
    return [
        *("stylize", pictures / "photo.png", "--style", pictures / "painting.png"),
        *("--weights", model_path),
    ]


def names(folder):
    return sorted(path.name for path in folder.glob("[!.]*"))


def test_pair_goes_to_a_file_of_the_contents_size(command, stylize, tmp_path):
    out = tmp_path / "new" / "out.jpg"
    code, output, _ = command(*stylize, "-o", out, "--alpha", "0.5")
    assert (code, output) == (0, f"{out}\n")
    with Image.open(out) as image:
        assert image.size == (32, 32)
    assert names(out.parent) == ["out.jpg"]


def test_result_is_that_of_the_library(command, stylize, pictures, model_path):
    command(*stylize, "-o", pictures / "out.png", "--alpha", "0.5")
    stylizer = styleflax.Stylizer.load(model_path)
    expected = stylizer(pictures / "photo.png", pictures / "painting.png", alpha=0.5)
    with Image.open(pictures / "out.png") as image:
        np.testing.assert_array_equal(np.asarray(image), expected.to_pillow())


@pytest.mark.parametrize("number", [0, 7])
def test_refinement_is_the_librarys(stylize_fake, fake, pictures, number):
    code, *_ = stylize_fake(pictures / "photo.png", "--refine", number)
    assert code == 0
    assert fake.plan.refine == number
    assert fake.refined == (number > 0)  # styles keep their pixels


def test_refinement_needs_pixels_and_a_number(
    command, refuses, stylize, pictures, model_path, tmp_path
):
    photo, style = pictures / "photo.png", tmp_path / "a.style"
    weights = "--weights", model_path
    command("style", "save", pictures / "painting.png", "-o", style, *weights)
    out = "-o", tmp_path / "out.png"
    flags = "--style", style, *weights, *out, "--refine", 5
    assert "refine needs the painting's pixels" in refuses("stylize", photo, *flags)
    assert "refine must be a whole number from 0, got -1" in refuses(
        *stylize, *out, "--refine", "-1"
    )


def test_size_is_the_short_side(command, stylize, tmp_path):
    command(*stylize, "-o", tmp_path / "out.png", "--size", "16")
    with Image.open(tmp_path / "out.png") as image:
        assert image.size == (16, 16)


def test_folders_give_all_pairs(command, pictures, model_path, tmp_path):
    code, _, _ = command(
        *("stylize", pictures / "photos", "--style", pictures / "arts"),
        *(pictures / "painting.png", "-o", tmp_path / "out", "--weights", model_path),
    )
    assert code == 0
    assert names(tmp_path / "out") == [
        f"{photo}_{style}.png" for photo in "ab" for style in ("painting", "s")
    ]


def test_photos_may_follow_the_style(command, pictures, model_path, tmp_path):
    code, _, _ = command(
        *("stylize", "-o", tmp_path / "out", "--weights", model_path),
        *("--style", pictures / "painting.png", "--", pictures / "photo.png"),
        pictures / "photos",
    )
    assert code == 0
    assert names(tmp_path / "out") == [f"{p}_painting.png" for p in ("a", "b", "photo")]


def test_pairs_of_the_same_name_are_numbered(
    command, pictures, model_path, tmp_path, write_picture
):
    for folder, name in (("x", "a"), ("y", "a"), ("z", "A")):
        write_picture(pictures / folder / f"{name}.png")
    code, _, _ = command(
        *("stylize", pictures / "x", pictures / "y", pictures / "z", "--style"),
        *(pictures / "arts", "-o", tmp_path / "out", "--weights", model_path),
    )
    assert code == 0
    assert names(tmp_path / "out") == ["A_s-3.png", "a_s-2.png", "a_s.png"]


def test_pair_named_as_anothers_number_is_kept(tmp_path):
    contents = [Source(Path(name)) for name in ("x/a.png", "y/a.png", "x/a.png")]
    styles = [(Source(Path(name)),) for name in ("s.png", "s.png", "s-2.png")]
    pairs = list(zip(contents, styles, strict=True))
    paths = list(pair_names(pairs, tmp_path))
    assert [path.name for path in paths] == ["a_s.png", "a_s-2.png", "a_s-2-2.png"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--alpha", "nan"], "alpha must be in [0, 1], got nan"),
        (["--alpha", "1.1"], "alpha must be in [0, 1], got 1.1"),
        (["--alpha", "-0.1"], "alpha must be in [0, 1], got -0.1"),
        (["--alpha", "much"], "Invalid value for '--alpha'"),
        (["--size", "15"], "size must be at least 16 px, got 15"),
        (["--weights", "none_such"], "there is no model file 'none_such'"),
    ],
)
def test_bad_values_are_one_line(refuses, stylize, tmp_path, arguments, message):
    assert message in refuses(*stylize, "-o", tmp_path / "out.png", *arguments)
    assert not (tmp_path / "out.png").exists()


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("missing.png", "missing.png"),
        ("empty", "has no image"),
        ("text.png", "text.png' is not an image"),
        ("half.png", "half.png' is damaged"),
        ("small.png", "small.png' must have at least 16x16 pixels, got 15x40"),
    ],
)
@pytest.mark.parametrize("role", ["content", "style"])
def test_unusable_pictures_are_named_in_one_line(
    refuses, pictures, model_path, write_picture, tmp_path, name, message, role
):
    (pictures / "empty").mkdir()
    (pictures / "text.png").write_text("not an image")
    data = (pictures / "photo.png").read_bytes()
    (pictures / "half.png").write_bytes(data[: len(data) // 2])
    write_picture(pictures / "small.png", height=40, width=15)
    bad, good = pictures / name, pictures / "photo.png"
    photo, style = (bad, good) if role == "content" else (good, bad)
    arguments = ["-o", tmp_path / "out.png", "--weights", model_path]
    assert message in refuses("stylize", photo, "--style", style, *arguments)
    assert not (tmp_path / "out.png").exists()


@pytest.mark.parametrize(
    ("out", "message"),
    [
        ("file/out.png", "cannot write to"),
        ("file", "cannot write to"),
        ("file/below", "cannot write to"),
        ("out.gif", "the suffix of a file must be one of .bmp, .jpeg"),
    ],
)
def test_output_that_cannot_be_written_is_one_line(
    refuses, stylize, tmp_path, out, message
):
    (tmp_path / "file").touch()
    assert message in refuses(*stylize, "-o", tmp_path / out)
    assert names(tmp_path) == ["file", "pictures"]


def test_several_pictures_do_not_go_into_one_file(refuses, pictures, tmp_path):
    error = refuses(
        *("stylize", pictures / "photos", "--style", pictures / "painting.png"),
        *("-o", tmp_path / "out.png"),
    )
    assert "-o must be a folder for 2 results" in error


def test_weights_of_another_architecture_are_listed(
    refuses, stylize, model_file, tmp_path
):
    params = {"dense": model_file.players["model"]["conv1_1"]}
    other = model_file._replace(players={"model": params})
    save_model(tmp_path / "other.safetensors", other)
    weights = ["--weights", tmp_path / "other.safetensors"]
    error = refuses(*stylize, "-o", tmp_path / "out.png", *weights)
    assert "18 missing: conv1_1/bias, conv1_1/kernel" in error
    assert "2 extra: dense/bias, dense/kernel" in error


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is an empty file: copy or download it again"),
        (b"junk" * 100, "is not a whole safetensors file"),
    ],
)
def test_weights_that_are_no_model_are_one_line(
    refuses, stylize, tmp_path, content, message
):
    path = tmp_path / "junk.safetensors"
    path.write_bytes(content)
    error = refuses(*stylize, "-o", tmp_path / "out.png", "--weights", path)
    assert message in error


def test_no_option_is_accepted_that_does_nothing(refuses, pictures, tmp_path):
    photo, painting = pictures / "photo.png", pictures / "painting.png"
    arguments = ("stylize", photo, "--style", painting, "-o", tmp_path / "out.png")
    assert "--seed" in refuses(*arguments, "--seed", "3")
