"""Where results go: mistyped names, folders within others, names that are too long."""

from pathlib import Path

import pytest
from PIL import Image

from styleflax.images.listing import check_out_folder
from styleflax.inference.folders.results import pair_names
from styleflax.inference.folders.sources import Source


def names(folder):
    return sorted(p.relative_to(folder).as_posix() for p in folder.rglob("[!.]*.*"))


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("out.jgp", "out.jpg"),
        ("out.pgn", "out.png"),
        ("out.PNGG", "out.png"),
        ("out.jepg", "out.jpg"),
        ("out.png.", "out.png"),
        ("out.png ", "out.png"),
        ("out.tfif", "out.tif"),
        ("out.wepb", "out.webp"),
    ],
)
def test_a_mistyped_suffix_names_the_one_that_was_meant(
    refuses, fake, pictures, tmp_path, name, meant
):
    style = ("--style", pictures / "painting.png")
    for photo in ("photo.png", "photos"):
        error = refuses("stylize", pictures / photo, *style, "-o", tmp_path / name)
        assert f"did you mean '{tmp_path / meant}'?" in error
        assert "mkdir" in error
    assert not (tmp_path / name).exists()
    assert fake.loads == []
    sheet = refuses("sheet", pictures / "photos", *style, "-o", tmp_path / name)
    assert f"did you mean '{tmp_path / meant}'?" in sheet
    gatys = ("gatys", pictures / "photo.png", pictures / "painting.png")
    assert "did you mean" in refuses(*gatys, "-o", tmp_path / name)


@pytest.mark.parametrize(
    "name", ["out.mp4", "out.webm", "out.MOV", "out.m2ts", "out.ogv"]
)
def test_a_videos_name_is_not_a_folder_of_pictures(
    refuses, fake, pictures, tmp_path, name
):
    style = ("--style", pictures / "painting.png", "-o", tmp_path / name)
    assert "`styleflax video`" in refuses("stylize", pictures / "photo.png", *style)
    assert not (tmp_path / name).exists()


@pytest.mark.parametrize("name", ["v1.2", "2024-01-01", "results.v2", "J.M.W.Turner"])
def test_a_folder_may_have_a_dot(stylize_fake, pictures, tmp_path, name):
    assert stylize_fake(pictures / "photos", "-o", tmp_path / name)[0] == 0
    assert names(tmp_path / name) == ["a_painting.png", "b_painting.png"]


def test_one_picture_goes_to_a_folder_of_any_name_that_exists(
    stylize_fake, refuses, pictures, tmp_path
):
    out = tmp_path / "out.new"
    style = ("--style", pictures / "painting.png", "-o", out)
    assert "mkdir" in refuses("stylize", pictures / "photo.png", *style)
    out.mkdir()
    assert stylize_fake(pictures / "photo.png", "-o", out)[0] == 0
    assert names(out) == ["photo_painting.png"]


def test_a_folder_of_results_within_the_photographs_is_not_painted_again(
    stylize_fake, pictures, tmp_path
):
    out = pictures / "photos" / "out"
    for _ in range(2):
        assert stylize_fake(pictures / "photos", "-o", out, "--overwrite")[0] == 0
        assert names(out) == ["a_painting.png", "b_painting.png"]
    named = out / "a_painting.png"
    assert stylize_fake(named, "-o", out)[0] == 0  # asked for by its name
    assert "a_painting_painting.png" in names(out)


def test_results_in_another_folder_within_the_photographs_are_not_painted(
    stylize_fake, pictures, tmp_path
):
    photos, first = pictures / "photos", pictures / "photos" / "first"
    assert stylize_fake(photos, "-o", first)[0] == 0
    code, _, error = stylize_fake(photos, "-o", photos / "second")
    assert code == 0
    assert names(photos / "second") == ["a_painting.png", "b_painting.png"]
    assert f"{first} (2 results of an earlier run)" in error
    assert stylize_fake(photos, "-o", tmp_path / "third")[0] == 0
    assert names(tmp_path / "third") == ["a_painting.png", "b_painting.png"]
    # A folder of nothing but results, or one of them, is what somebody wants painted.
    assert stylize_fake(first, "-o", tmp_path / "fourth")[0] == 0
    assert len(names(tmp_path / "fourth")) == 2
    named = first / "a_painting.png"
    assert stylize_fake(photos, named, "-o", tmp_path / "fifth")[0] == 0
    assert len(names(tmp_path / "fifth")) == 3


def test_results_within_the_paintings_are_no_styles(command, fake, pictures):
    out = pictures / "arts" / "out"
    photo = ("stylize", pictures / "photo.png", "--style", pictures / "arts")
    for _ in range(2):
        assert command(*photo, "-o", out, "--overwrite")[0] == 0
        assert names(out) == ["photo_s.png"]


def test_a_page_among_the_photographs_is_not_on_itself(
    command, fake, pictures, monkeypatch
):
    monkeypatch.chdir(pictures / "photos")
    heights = []
    for _ in range(2):
        arguments = ("sheet", ".", "--style", pictures / "painting.png", "--overwrite")
        assert command(*arguments, "--cell", 32)[0] == 0
        with Image.open("sheet.png") as page:
            heights.append(page.height)
    assert heights[0] == heights[1]


@pytest.mark.parametrize("end", ["", "../photos", "/"])
def test_the_photographs_folder_itself_is_refused(
    refuses, fake, pictures, monkeypatch, end
):
    monkeypatch.chdir(pictures / "photos")
    out = f"{pictures / 'photos'}/{end}"
    style = ("--style", pictures / "painting.png")
    error = refuses("stylize", ".", *style, "-o", out)
    assert "-o must be a folder other than PHOTO" in error
    assert names(pictures / "photos") == ["a.png", "b.jpg"]


def test_a_folder_above_the_photographs_may_take_the_results(stylize_fake, pictures):
    assert stylize_fake(pictures / "photos", "-o", pictures)[0] == 0
    assert (pictures / "a_painting.png").is_file()


@pytest.mark.parametrize("letter", ["字", "é", "a"])
def test_long_names_are_shortened_the_same_way_each_time(
    stylize_fake, pictures, tmp_path, letter
):
    num = 240 // len(letter.encode()) - 1
    photos = [pictures / f"{letter * num}{i}.png" for i in range(2)]
    for photo in photos:
        photo.write_bytes((pictures / "photo.png").read_bytes())
    made = []
    for _ in range(2):
        arguments = (*photos, "--overwrite")
        code, output, error = stylize_fake(*arguments)
        assert (code, error) == (0, "")
        made.append(output)
    assert made[0] == made[1]
    found = [path.name for path in (tmp_path / "out").glob("[!.]*")]
    assert len(found) == 2
    assert all(len(name.encode()) <= 240 for name in found)
    assert all(name.startswith(letter * 20) for name in found)


def test_wide_names_of_photo_and_painting_fit_together(tmp_path):
    photo, style = Source(Path("字" * 45 + ".jpg")), Source(Path("画" * 50 + ".jpg"))
    (path,) = pair_names([(photo, (style,))], tmp_path)
    path.touch()
    other = style._replace(path=Path("画" * 50 + "b.jpg"))
    (different,) = pair_names([(photo, (other,))], tmp_path)
    assert different != path
    short = pair_names([(Source(Path("a.jpg")), (Source(Path("b.jpg")),))], tmp_path)
    assert [p.name for p in short] == ["a_b.png"]


@pytest.mark.parametrize("num_bytes", [200, 250, 255])
def test_a_file_is_written_by_any_name_that_the_file_system_takes(
    command, fake, pictures, tmp_path, num_bytes
):
    out = tmp_path / ("o" * (num_bytes - 4) + ".png")
    style = ("--style", pictures / "painting.png", "-o", out)
    assert command("stylize", pictures / "photo.png", *style)[0] == 0
    assert out.is_file()


def test_a_name_that_no_file_system_takes_is_told_early(
    refuses, fake, pictures, tmp_path
):
    style = ("--style", pictures / "painting.png", "-o", tmp_path / ("o" * 300))
    error = refuses("stylize", pictures / "photos", *style)
    assert "File name too long" in error
    assert fake.loads == []


@pytest.mark.parametrize("below", ["x.png", "deep/x.png", "x"])
def test_a_file_in_the_way_of_a_folder_is_named(
    refuses, fake, pictures, tmp_path, below
):
    taken = tmp_path / "file.jpg"
    taken.touch()
    style, folder = (("--style", pictures / x) for x in ("painting.png", "arts"))
    commands = [
        ("stylize", pictures / "photo.png", *style, "-o", taken / below),
        ("stylize", pictures / "photos", *style, "-o", taken),
    ]
    if below != "x":
        painting = pictures / "painting.png"
        commands += [
            ("sheet", pictures / "photo.png", *style, "-o", taken / below),
            ("gatys", pictures / "photo.png", painting, "-o", taken / below),
            ("style", "save", painting, "-o", taken / "x.style"),
            ("weights", "average", "adain", "-o", taken / "x.safetensors"),
            ("demo", "-o", taken / "x"),
            ("dataset", pictures / "photos", *folder, "-o", taken / below),
        ]
    for arguments in commands:
        error = refuses(*arguments)
        assert "folder" in error
        assert "File exists" not in error
        assert str(taken) in error
    assert fake.loads == []


def test_a_folder_in_the_way_of_a_file_is_named(refuses, fake, pictures, tmp_path):
    taken = tmp_path / "x.png"
    taken.mkdir()
    style = ("--style", pictures / "painting.png", "-o", taken, "--overwrite")
    assert "is a folder" in refuses("sheet", pictures / "photo.png", *style)
    gatys = ("gatys", pictures / "photo.png", pictures / "painting.png")
    assert "is a folder" in refuses(*gatys, "-o", taken, "--overwrite")


def test_a_file_is_no_folder_of_a_data_set_or_report(
    refuses, fake, pictures, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    photos, arts = pictures / "photos", pictures / "arts"
    given = ("dataset", photos, "--style", arts)
    evaluation = ("eval", "--content", photos, "--style", arts)
    assert "-o must be a folder, got a file's name" in refuses(*given, "-o", "x.zip")
    assert "--out must be a folder" in refuses(*evaluation, "--out", "x.html")
    assert "-o must be a folder" in refuses("demo", "-o", "demo.png")
    for folder in (photos, arts):
        inside = folder / "out"
        assert f"outside '{folder}'" in refuses(*given, "-o", inside)
        assert f"outside '{folder}'" in refuses(*evaluation, "--out", inside)
    assert not list(tmp_path.glob("x.*"))


def test_a_workdir_among_the_photographs_is_refused(refuses, pictures, tmp_path):
    arguments = (
        *("train", "--config=smoke", f"--workdir={pictures / 'photos' / 'run'}"),
        f"--config.data.content=image_folder:{pictures / 'photos'}+sample_photos",
    )
    assert "--workdir must be outside" in refuses(*arguments)
    assert "--workdir must be a folder" in refuses(
        "train", "--config=smoke", f"--workdir={tmp_path / 'run.zip'}"
    )
    assert names(pictures / "photos") == ["a.png", "b.jpg"]


@pytest.mark.parametrize("name", ["x.pth", "x.safetensor", "x", "folder"])
def test_model_files_are_called_what_they_are(refuses, tmp_path, name):
    (tmp_path / "folder").mkdir()
    arguments = ("weights", "average", "adain", "sanet", "-o", tmp_path / name)
    error = refuses(*arguments)
    assert "its suffix must be one of .safetensors" in error
    assert ("did you mean" in error) == (name == "x.safetensor")


def test_folders_of_other_commands_pass(tmp_path):
    for name in ("out", "v1.2", "imagenet.stylized"):
        check_out_folder(tmp_path / name)
    (tmp_path / "x.png").mkdir()
    check_out_folder(tmp_path / "x.png")
