"""The command on what people have: broken files, deep folders, alpha, EXIF."""

import json
import os

import numpy as np
import pytest
from fake_stylizer import FakeStylizer
from PIL import Image

from styleflax.images.read import read_picture


def files(folder):
    return sorted(
        p.relative_to(folder).as_posix() for p in folder.rglob("[!.]*") if p.is_file()
    )


def write_clear(path, **options):
    pixels = np.full((20, 32, 4), 50, np.uint8)
    pixels[:, :16, 3] = 255
    Image.fromarray(pixels).save(path, **options)


def test_folders_keep_their_structure(stylize_fake, pictures, write_picture, tmp_path):
    for name in ("deep/er/c.png", "deep/a.png", "._a.png"):
        write_picture(pictures / "photos" / name)
    code, output, _ = stylize_fake(pictures / "photos")
    expected = [f"{name}_painting.png" for name in ("a", "b", "deep/a", "deep/er/c")]
    assert (code, files(tmp_path / "out")) == (0, expected)
    lines = [str(tmp_path / "out" / name) for name in expected]
    assert sorted(output.splitlines()) == lines


def test_the_stylizer_is_told_of_how_many_sizes_pictures_will_come(
    stylize_fake, fake, pictures, write_picture
):
    write_picture(pictures / "photos" / "c.png", 20, 40)
    (pictures / "photos" / "d.png").write_text("no picture")
    stylize_fake(pictures / "photos")
    assert fake.num_sizes == 2
    write_picture(pictures / "photos" / "e.png", 64, 64)
    stylize_fake(pictures / "photos", "--overwrite")
    assert fake.num_sizes == 3
    stylize_fake(pictures / "photos", "--overwrite", "--size", 16)
    assert fake.num_sizes == 2


def test_a_bad_file_does_not_stop_the_others(stylize_fake, pictures, tmp_path):
    (pictures / "photos" / "aa.jpg").write_text("no picture")
    (pictures / "photos" / "c.gif").write_bytes(b"GIF89a")
    code, _, error = stylize_fake(pictures / "photos")
    assert code == 1
    assert files(tmp_path / "out") == ["a_painting.png", "b_painting.png"]
    first, *rest = error.splitlines()
    assert first == "styleflax: 2 of 4 results failed:"
    assert [line.split(" in the style of ")[0].strip() for line in rest] == [
        str(pictures / "photos" / name) for name in ("aa.jpg", "c.gif")
    ]
    assert "aa.jpg' is not an image" in rest[0]


def test_a_bad_painting_does_not_stop_the_others(command, fake, pictures, tmp_path):
    (pictures / "arts" / "r.png").write_text("no picture")
    code, _, error = command(
        *("stylize", pictures / "photo.png", "--style", pictures / "arts"),
        *("-o", tmp_path / "out"),
    )
    assert (code, files(tmp_path / "out")) == (1, ["photo_s.png"])
    assert "1 of 2 results failed" in error


def test_a_photograph_is_read_once_however_many_styles_refuse_it(
    command, fake, pictures, tmp_path
):
    (pictures / "photos" / "a.png").write_text("no picture")
    code, _, error = command(
        *("stylize", pictures / "photos", "--style", pictures / "painting.png"),
        *("--style", pictures / "arts", "-o", tmp_path / "out"),
    )
    assert code == 1
    assert "2 of 4 results failed" in error
    assert files(tmp_path / "out") == ["b_painting.png", "b_s.png"]


def test_a_picture_that_the_model_cannot_take_is_one_of_the_bad(
    stylize_fake, fake, pictures, tmp_path, monkeypatch
):
    def fail(pictures_u8, *_, **__):
        raise MemoryError

    monkeypatch.setattr(FakeStylizer, "run", fail)
    code, _, error = stylize_fake(pictures / "photos")
    assert code == 1
    assert error.count("needs more memory than is free") == 2


def test_existing_files_stop_it_before_any_work(
    stylize_fake, fake, refuses, pictures, tmp_path
):
    (tmp_path / "out").mkdir()
    for name in "ab":
        (tmp_path / "out" / f"{name}_painting.png").write_text("dear")
    code, _, error = stylize_fake(pictures / "photos")
    assert code == 2
    assert "2 of the files to write exist already, the first is " in error
    assert "--overwrite" in error
    assert fake.loads == []
    assert (tmp_path / "out" / "a_painting.png").read_text() == "dear"
    assert stylize_fake(pictures / "photos", "--overwrite")[0] == 0
    assert read_picture(tmp_path / "out" / "a_painting.png").rgb_u8.shape[2] == 3
    one = tmp_path / "out" / "a_painting.png"
    arguments = ("--style", pictures / "painting.png", "-o", one)
    assert "a_painting.png' exists already" in refuses(
        "stylize", pictures / "photo.png", *arguments
    )


@pytest.mark.parametrize("size", [None, 16])
def test_alpha_is_kept_where_the_format_has_it(stylize_fake, tmp_path, size):
    write_clear(tmp_path / "x.png")
    flags = [] if size is None else ["--size", size]
    code, _, error = stylize_fake(tmp_path / "x.png", *flags)
    picture = read_picture(tmp_path / "out" / "x_painting.png")
    width = size or 32
    assert (code, error) == (0, "")
    assert picture.alpha_u8.shape == picture.rgb_u8.shape[:2] == (size or 20, width)
    assert (picture.alpha_u8[:, : width // 2 - 2] == 255).all()
    assert (picture.alpha_u8[:, width // 2 + 2 :] == 50).all()
    assert (picture.rgb_u8 == 205).all()


def test_alpha_goes_on_white_with_one_warning(stylize_fake, tmp_path):
    (tmp_path / "in").mkdir()
    for name in "xy":
        write_clear(tmp_path / "in" / f"{name}.png")
    code, _, error = stylize_fake(tmp_path / "in", "--format", "jpg")
    assert code == 0
    assert error.count("warning") == 1
    assert ".jpg has no transparency" in error
    picture = read_picture(tmp_path / "out" / "x_painting.jpg")
    assert picture.rgb_u8[:, :14].mean() == pytest.approx(205, abs=2)
    assert picture.rgb_u8[:, 18:].mean() == pytest.approx(245, abs=2)


@pytest.mark.parametrize(("flags", "kept"), [([], False), (["--metadata=keep"], True)])
def test_metadata_are_stripped_unless_kept(stylize_fake, tmp_path, flags, kept):
    exif = Image.Exif()
    exif[0x0112], exif[0x010F], exif[0x8825] = 6, "A camera", {1: "N"}
    write_clear(tmp_path / "x.png", exif=exif)
    assert stylize_fake(tmp_path / "x.png", *flags)[0] == 0
    with Image.open(tmp_path / "out" / "x_painting.png") as image:
        assert image.size == (20, 32)  # turned once
        found = image.getexif()
        expected = {0x010F: "A camera", 0x0112: 1} if kept else {}
        assert {tag: found[tag] for tag in found if tag != 0x8825} == expected
        assert found.get_ifd(0x8825) == ({1: "N"} if kept else {})


def test_the_limit_on_size_can_be_raised(stylize_fake, tmp_path):
    write_clear(tmp_path / "x.png")
    code, _, error = stylize_fake(tmp_path / "x.png", "--max-megapixels", "0.0001")
    assert code == 2
    assert "--max-megapixels" in error
    assert stylize_fake(tmp_path / "x.png", "--max-megapixels", "0.002")[0] == 0


def test_a_broken_profile_is_a_warning_in_both_ways(stylize_fake, tmp_path):
    write_clear(tmp_path / "x.png", icc_profile=b"none")
    code, _, error = stylize_fake(tmp_path / "x.png")
    assert code == 0
    assert "warning: " in error
    assert "x.png': the color profile is ignored" in error
    output = stylize_fake(tmp_path / "x.png", "--json", "--overwrite")[1]
    assert "profile" in json.loads(output.splitlines()[0])["warnings"][0]


def test_names_that_are_no_text_are_written_and_shown(stylize_fake, pictures, tmp_path):
    name = os.fsdecode(b"caf\xe9.png")
    try:
        (pictures / "photo.png").rename(tmp_path / name)
    except OSError:
        pytest.skip("this file system takes text only")
    code, output, _ = stylize_fake(tmp_path / name)
    assert code == 0
    assert "caf\\udce9_painting.png" in output
    assert len(files(tmp_path / "out")) == 1


def test_style_files_go_to_the_stylizer_as_they_are(command, fake, pictures, tmp_path):
    (pictures / "arts" / "t.style").touch()
    photo, style = pictures / "photo.png", pictures / "arts"
    command("stylize", photo, "--style", style, "-o", tmp_path / "out")
    assert files(tmp_path / "out") == ["photo_s.png", "photo_t.png"]
    assert fake.styles[1] == pictures / "arts" / "t.style"


def test_what_a_folder_leaves_out_is_counted_and_listed(
    stylize_fake, pictures, write_picture, tmp_path
):
    folder = pictures / "photos"
    for name in ("__MACOSX/a.png", ".ipynb_checkpoints/a.png", "@eaDir/x/a.png"):
        write_picture(folder / name)
    (folder / "art.psd").write_bytes(b"8BPS")
    (folder / "dead.jpg").symlink_to("nowhere")
    code, output, error = stylize_fake(folder, "--json")
    assert (code, files(tmp_path / "out")) == (0, ["a_painting.png", "b_painting.png"])
    summary = json.loads(output.splitlines()[-1])["summary"]
    left_out = {
        os.path.relpath(e["path"], folder): e["reason"] for e in summary["left_out"]
    }
    assert left_out.pop("art.psd").startswith("a Photoshop file")
    assert left_out == {
        "dead.jpg": "a dead link",
        **dict.fromkeys(
            ("__MACOSX", ".ipynb_checkpoints", "@eaDir"), "hidden, or made by a tool"
        ),
    }
    assert error.startswith("styleflax: warning: 5 files or folders left out: ")
    assert "art.psd (a Photoshop file: export it as PNG" in error
    assert error.count("\n") == 1


def test_a_tools_folder_among_several_is_left_out(
    stylize_fake, pictures, write_picture, tmp_path
):
    write_picture(pictures / "lost+found" / "x.png")
    code, _, error = stylize_fake(pictures / "photos", pictures / "lost+found")
    assert (code, len(files(tmp_path / "out"))) == (0, 2)
    assert "lost+found (hidden, or made by a tool)" in error


def test_a_folder_without_pictures_says_what_it_holds(stylize_fake, tmp_path):
    (tmp_path / "scans").mkdir()
    (tmp_path / "scans" / "a.jp2").write_bytes(b"x")
    code, _, error = stylize_fake(tmp_path / "scans")
    assert code == 2
    assert "has no image: 1 file or folder left out" in error
    assert "a.jp2 (a JPEG 2000 picture: convert it" in error


def test_labels_of_a_map_put_styles_in_their_places(
    stylize_fake, fake, pictures, tmp_path
):
    labels = np.zeros((32, 32), np.uint8)
    labels[:, 16:] = 5
    Image.fromarray(labels).save(tmp_path / "labels.png")
    path = tmp_path / "labels.png"
    flags = "--mask", f"{path}[5]@0.5", "--style-mask", f"{path}[0]"
    code, _, error = stylize_fake(pictures / "photo.png", *flags)
    assert (code, error) == (0, "")
    code, _, error = stylize_fake(pictures / "photo.png", "--mask", f"{path}[4]")
    assert code == 2
    assert "mask 1 (labels.png[4]) has no label 4; it has 0, 5" in error
    missing = tmp_path / "gone.png[4]"
    code, _, error = stylize_fake(pictures / "photo.png", "--style-mask", missing)
    assert code == 2
    assert "gone.png'" in error


def test_a_colored_mask_warns_on_the_command_line(stylize_fake, pictures):
    code, _, error = stylize_fake(
        pictures / "photo.png", "--mask", pictures / "painting.png"
    )
    assert code == 0
    assert error.startswith("styleflax: warning: mask 1 (painting.png) is colored")
    assert error.count("\n") == 1
