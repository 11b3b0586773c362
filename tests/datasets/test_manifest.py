"""What pictures are, wherever they lie."""

import json
import os
import shutil

import pytest

from styleflax.datasets import manifest
from styleflax.datasets.manifest import (
    describe_difference,
    from_plain,
    make_manifest,
    to_plain,
)
from styleflax.images.listing import RULES, RULES_OF_0_1, read_rules


@pytest.fixture
def photos(tmp_path):
    folder = tmp_path / "photos"
    (folder / "below").mkdir(parents=True)
    for name in ("b.jpg", "a.png", "below/c.webp", "notes.txt"):
        (folder / name).write_bytes(name.encode())
    return folder


@pytest.fixture
def make(tmp_path):
    """`make(folder)` -> its manifest, as of image_folder."""
    return lambda folder, rules=RULES: make_manifest(
        f"image_folder:{folder}", tmp_path / "data", rules=rules
    )


def names(found):
    return [file.name for part in found for file in part.files]


def test_a_manifest_lists_names_sizes_and_digests(photos, make):
    (part,) = make(photos)
    assert part.name == "image_folder"
    assert names([part]) == ["a.png", "b.jpg", "below/c.webp"]
    assert part.files[2].size == 12
    assert len({file.digest for file in part.files}) == 3


def test_moved_copied_and_relative_folders_are_the_same(
    photos, make, tmp_path, monkeypatch
):
    first = make(photos)
    monkeypatch.chdir(tmp_path)
    assert make("photos") == first
    assert make("photos/below/..") == first
    shutil.copytree(photos, tmp_path / "copy")
    os.utime(tmp_path / "copy" / "a.png", (1, 1))
    assert make("copy") == first
    photos.rename(tmp_path / "moved")
    assert make("moved") == first


def test_changes_are_told_by_name(photos, make):
    first = make(photos)
    assert describe_difference(first, make(photos)) == ""
    (photos / "new.gif").write_bytes(b"x")
    (photos / "a.png").write_bytes(b"other")
    (photos / "b.jpg").unlink()
    assert describe_difference(first, make(photos)) == (
        "1 added ('new.gif'), 1 missing ('b.jpg'), 1 changed ('a.png')"
    )
    for k in range(5):
        (photos / f"{k}.jpg").write_bytes(b"x")
    assert "6 added ('0.jpg', '1.jpg', '2.jpg', and 3 more)" in describe_difference(
        first, make(photos)
    )


def test_only_new_files_are_read_again(photos, make, monkeypatch):
    read, digest = [], manifest._digest
    monkeypatch.setattr(
        manifest, "_digest", lambda file: read.append(file.name) or digest(file)
    )
    first = make(photos)
    assert sorted(read) == ["a.png", "b.jpg", "c.webp"]
    read.clear()
    assert make(photos) == first
    assert read == []
    (photos / "a.png").write_bytes(b"other")
    assert make(photos) != first
    assert read == ["a.png"]


@pytest.mark.parametrize("text", ["", "[]", "{"])
def test_what_is_kept_of_digests_may_be_damaged(photos, make, tmp_path, text):
    first = make(photos)
    (kept,) = (tmp_path / "data" / ".digests").iterdir()
    kept.write_text(text)
    assert make(photos) == first


def test_dead_links_count_until_they_come_to_life(photos, make):
    (photos / "dead.jpg").symlink_to(photos / "nowhere.bin")
    first = make(photos)
    assert first == make(photos)
    assert "dead.jpg" in names(first)
    (photos / "nowhere.bin").write_bytes(b"x")
    assert describe_difference(first, make(photos)) == "1 changed ('dead.jpg')"


def test_old_rules_give_the_old_list(photos, make):
    for name in (".hidden.jpg", "anime.gif", "@eaDir/d.jpg", "old.BMP"):
        (photos / name).parent.mkdir(exist_ok=True)
        (photos / name).write_bytes(name.encode())
    new, old = make(photos), make(photos, RULES_OF_0_1)
    assert set(names(new)) - set(names(old)) == {"anime.gif"}
    assert set(names(old)) - set(names(new)) == {".hidden.jpg", "@eaDir/d.jpg"}
    assert read_rules(RULES_OF_0_1.describe()) == RULES_OF_0_1


def test_data_sets_without_files_go_by_name_and_version(tmp_path):
    small = make_manifest("procedural_art:num_pictures=2+sample_photos", tmp_path)
    large = make_manifest("procedural_art:num_pictures=3+sample_photos", tmp_path)
    assert [part.name.partition("/")[0] for part in small] == [
        "procedural_art",
        "sample_photos",
    ]
    assert small[1] == large[1]
    assert "the data sets were " in describe_difference(small, large)


def test_pictures_of_one_file_and_of_a_folder(photos, tmp_path):
    one = make_manifest(f"pictures:{photos / 'b.jpg'}", tmp_path)
    assert names(one) == ["b.jpg"]
    assert len(names(make_manifest(f"pictures:{photos}", tmp_path))) == 3


def test_a_manifest_survives_json(photos, make):
    (photos / os.fsdecode(b"\xff.jpg")).write_bytes(b"x")
    found = make(photos)
    assert from_plain(json.loads(json.dumps(to_plain(found)))) == found
