"""What is said of things that exist, but are not what a command takes."""

import json

import pytest

URL = "https://example.com/a.jpg"


def test_a_folder_given_to_video_is_called_one(refuses, pictures, tmp_path):
    style = ("--style", pictures / "painting.png", "-o", tmp_path / "o.mp4")
    error = refuses("video", pictures / "arts", *style)
    assert "the images of a clip must have one name with a number" in error
    assert "there is no" not in error
    missing = refuses("video", tmp_path / "none.mp4", *style)
    assert "VIDEO: there is no" in missing


def test_a_file_where_a_folder_is_needed_is_called_one(refuses, pictures, tmp_path):
    photo, photos, arts = (pictures / n for n in ("photo.png", "photos", "arts"))
    out = ("-o", tmp_path / "out")
    error = refuses("dataset", photos, "--style", photo, *out)
    assert "--style must be a folder of paintings, got the file" in error
    assert "`styleflax stylize`" in error
    error = refuses("dataset", photo, "--style", arts, *out)
    assert "CONTENT must be a folder of images, or tfds:NAME, got the file" in error
    both = ("--out", tmp_path / "out")
    error = refuses("eval", "--content", photo, "--style", arts, *both)
    assert "--content must be a folder of images, got the file" in error
    error = refuses("eval", "--content", photos, "--style", photo, *both)
    assert "--style must be a folder of images, got the file" in error
    config = ("train", "--config=smoke", f"--workdir={tmp_path / 'run'}")
    error = refuses(*config, f"--config.data.content=image_folder:{photo}")
    assert "image_folder:PATH must be a folder, got the file" in error
    assert "pictures:PATH takes a file" in error


def test_a_folder_where_a_file_is_needed_is_called_one(refuses, pictures, tmp_path):
    photo, folder = pictures / "photo.png", pictures / "arts"
    out = ("-o", tmp_path / "out.png")
    error = refuses("gatys", folder, photo, *out)
    assert "PHOTO must be an image, got the folder" in error
    error = refuses("gatys", photo, folder, *out)
    assert "PAINTING must be an image, got the folder" in error
    error = refuses("style", "save", folder, "-o", tmp_path / "x.style")
    assert "PAINTING must be an image, got the folder" in error
    masked = ("--style", photo, "--style-mask", folder, *out)
    error = refuses("stylize", photo, *masked)
    assert "--style-mask must be an image, got the folder" in error


@pytest.mark.parametrize(
    "arguments",
    [
        ("stylize", "PHOTO", "--style", "PHOTO", "-o", "x.png", "--weights", "FOLDER"),
        ("weights", "info", "FOLDER"),
        ("weights", "verify", "FOLDER"),
        ("weights", "convert", "FOLDER", "-o", "x.safetensors"),
        ("weights", "average", "FOLDER", "adain", "-o", "x.safetensors"),
        ("gatys", "PHOTO", "PHOTO", "-o", "x.png", "--encoder", "FOLDER"),
    ],
)
def test_a_folder_given_as_weights_is_called_one(
    refuses, pictures, tmp_path, monkeypatch, arguments
):
    monkeypatch.chdir(tmp_path)
    named = {"PHOTO": pictures / "photo.png", "FOLDER": pictures}
    error = refuses(*(named.get(part, part) for part in arguments))
    assert "weights must be a name or a file, got the folder" in error
    assert "`styleflax weights export RUN -o FILE`" in error


@pytest.mark.parametrize("url", [URL, "http://a.b/c d.png", "s3://bucket/a.jpg"])
def test_urls_are_named_whole_with_what_to_do(refuses, pictures, tmp_path, url):
    photo, out = pictures / "photo.png", ("-o", tmp_path / "out.png")
    for arguments in (
        ("stylize", url, "--style", photo, *out),
        ("stylize", photo, "--style", url, *out),
        ("stylize", photo, "--style", photo, "--style-mask", url, *out),
        ("sheet", url, "--style", photo, *out),
        ("gatys", url, photo, *out),
        ("gatys", photo, url, *out),
        ("video", url, "--style", photo, "-o", tmp_path / "o.mp4"),
        ("style", "save", url, "-o", tmp_path / "x.style"),
        ("dataset", pictures / "photos", "--style", url, "-o", tmp_path / "o"),
        ("dataset", url, "--style", pictures / "arts", "-o", tmp_path / "o"),
    ):
        error = refuses(*arguments)
        assert f"got the URL '{url}'" in error
        assert "download it first" in error
    mask = ("stylize", photo, "--style", photo, "--mask", url, *out)
    assert f"download {url} first" in refuses(*mask)


def test_a_file_url_is_told_to_be_a_path(refuses, pictures, tmp_path):
    style = ("--style", pictures / "painting.png", "-o", tmp_path / "out.png")
    error = refuses("stylize", f"file://{pictures / 'photo.png'}", *style)
    assert f"got the URL 'file://{pictures / 'photo.png'}'" in error
    assert "give its path without file://" in error


def test_a_link_to_nothing_is_told_from_a_missing_file(refuses, pictures, tmp_path):
    (tmp_path / "link.png").symlink_to(tmp_path / "gone.png")
    style = ("--style", pictures / "painting.png", "-o", tmp_path / "out.png")
    error = refuses("stylize", tmp_path / "link.png", *style)
    assert f"is a dead link to '{tmp_path / 'gone.png'}'" in error


@pytest.mark.parametrize("word", ["alpha", "rest"])
def test_words_of_masks_are_no_masks_of_paintings(refuses, pictures, tmp_path, word):
    photo, style = pictures / "photo.png", ("--style", pictures / "painting.png")
    mask, out = ("--style-mask", word), ("-o", tmp_path / "out.png")
    for arguments in (
        ("stylize", photo, *style, *mask, *out),
        ("sheet", photo, *style, *mask, *out),
        ("gatys", photo, pictures / "painting.png", *mask, *out),
        ("style", "save", photo, *mask, "-o", tmp_path / "x.style"),
    ):
        error = refuses(*arguments)
        assert f"--style-mask must be an image file, got '{word}'" in error
        assert "there is no" not in error


def test_windows_are_refused_in_the_words_of_the_documentation(
    refuses, pictures, tmp_path
):
    style = ("--style", pictures / "painting.png", "-o", tmp_path / "out.png")
    start = ("stylize", pictures / "photo.png", *style)
    error = refuses(*start, "--tile", 150)
    assert "a multiple of 8 and at least 136" in error
    assert "--tile" in error
    error = refuses(*start, "--tile", 256, "--weights", "sanet")
    assert "a multiple of 16 and at least 272" in error
    assert "--split-rows" in refuses(*start, "--tile", 512, "--split-rows")


def test_tables_in_a_pipe_have_a_line_for_each_row(command, monkeypatch):
    monkeypatch.setenv("COLUMNS", "40")
    _, output, _ = command("weights", "list")
    named = {line.split()[0]: line for line in output.splitlines()}
    _, told, _ = command("weights", "list", "--json")
    for entry in json.loads(told):
        line = named.pop(entry["name"])
        assert entry["state"] in line
        assert not entry["is_here"] or line.endswith(entry["path"])
    assert list(named) == ["name"]


def test_doctor_has_a_line_or_an_entry_for_everything(command):
    _, output, _ = command("doctor")
    told = json.loads(command("doctor", "--json")[1])
    groups = {"python", "packages", "devices", "compiler", "folders", "weights"}
    assert set(told) == groups
    lines = output.splitlines()
    assert len(lines) == 1 + sum(len(dict(v)) for k, v in told.items() if k != "python")
    for name, text in told["weights"].items():
        assert any(x.startswith(f"weights {name} ") and x.endswith(text) for x in lines)


@pytest.mark.parametrize("name", ["x.style", "x.safetensors", "x.png"])
def test_a_style_or_model_file_given_as_a_picture_is_called_one(
    refuses, pictures, tmp_path, model_path, name
):
    (tmp_path / name).write_bytes(model_path.read_bytes())
    style = ("--style", pictures / "painting.png", "-o", tmp_path / "out.png")
    error = refuses("stylize", tmp_path / name, *style, "--weights", model_path)
    assert "is a style file or a model file; give a style file" in error
