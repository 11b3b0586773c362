import os
from pathlib import Path, PurePosixPath

import pytest

from styleflax.images import listing
from styleflax.images.decoding import open_image
from styleflax.images.listing import (
    IMAGE_SUFFIXES,
    describe_excluded,
    is_passed_over,
    list_folder,
    list_images,
    named_as_images,
)

TOOLS = (
    ".ipynb_checkpoints",
    "__MACOSX",
    ".thumbnails",
    "@eaDir",
    "lost+found",
    ".git",
)


@pytest.fixture
def mixed(tmp_path, encode, make_picture):
    """Two pictures among everything else that a folder of pictures may hold."""
    encoded = encode(make_picture(0))
    folder = tmp_path / "mixed"
    for name in ("a.jpg", "deep/b.JPG", "._a.jpg", ".hidden.jpg"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(encoded)
    for name in TOOLS:
        (folder / "deep" / name / "below").mkdir(parents=True)
        (folder / "deep" / name / "below" / "x.jpg").write_bytes(encoded)
    for name in ("notes.txt", "art.psd", "no_suffix", ".DS_Store", "Thumbs.db"):
        (folder / name).write_bytes(b"x")
    (folder / "dead.png").symlink_to("nowhere")
    (folder / "dead").symlink_to("nowhere")
    return folder


def test_hidden_files_and_folders_of_tools_are_never_pictures(mixed):
    found = [path.relative_to(mixed).as_posix() for path in list_images(mixed)]
    assert found == ["a.jpg", "deep/b.JPG"]
    named = [path.relative_to(mixed).as_posix() for path in named_as_images(mixed)]
    assert named == ["a.jpg", "dead.png", "deep/b.JPG"]


def test_a_hidden_folder_that_is_asked_for_is_searched(mixed):
    assert len(list_images(mixed / "deep" / ".thumbnails")) == 1


def test_what_is_left_out_is_listed_with_reasons(mixed):
    reasons = {
        path.relative_to(mixed).as_posix(): reason
        for path, reason in list_folder(mixed).left_out
    }
    assert reasons.pop("art.psd").startswith("a Photoshop file: export it")
    assert reasons == {
        ".hidden.jpg": "hidden",
        "dead": "a dead link",
        "dead.png": "a dead link",
        "no_suffix": "without the suffix of an image",
        "notes.txt": "without the suffix of an image",
        **{f"deep/{name}": "hidden, or made by a tool" for name in TOOLS},
    }


def test_a_long_list_is_counted_and_its_beginning_shown(tmp_path):
    for i in range(12):
        (tmp_path / f"{i:02d}.txt").write_text("x")
    text = describe_excluded(list_folder(tmp_path).left_out)
    assert text.startswith(
        f"12 files or folders left out: {tmp_path / '00.txt'} (without the"
    )
    assert text.endswith("07.txt (without the suffix of an image) and 4 more")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_folder_that_may_not_be_read_is_listed(tmp_path):
    (tmp_path / "closed").mkdir(mode=0)
    assert list_folder(tmp_path).left_out == [
        listing.ExcludedPath(tmp_path / "closed", "Permission denied")
    ]


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("a/b.jpg", False),
        ("a/._b.jpg", True),
        ("__MACOSX/a/b.jpg", True),
        ("a/.x/b.jpg", True),
        ("a/__macosx.jpg", False),
        ("@EADIR/b.jpg", True),
    ],
)
def test_names_of_archives_are_passed_over_as_paths_are(path, expected):
    assert is_passed_over(PurePosixPath(path)) is expected


@pytest.mark.parametrize("suffix", sorted(IMAGE_SUFFIXES - {".heic", ".heif", ".hif"}))
def test_every_suffix_is_of_a_format_that_is_read(suffix, tmp_path, make_picture):
    from PIL import Image

    kinds = {".jfif": "JPEG", ".apng": "PNG", ".mpo": "MPO"}
    mode = "1" if suffix == ".pbm" else "L" if suffix == ".pgm" else "RGB"
    path = Path(tmp_path / f"x{suffix}")
    picture = Image.fromarray(make_picture(0)).convert(mode)
    picture.save(path, format=kinds.get(suffix))
    with open_image(path) as image:
        assert image.size == picture.size
