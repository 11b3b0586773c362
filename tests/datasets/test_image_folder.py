import io
import json
import logging
import os
import shutil
import zlib

import numpy as np
import pytest
from PIL import Image

from styleflax.datasets.sources import open_dataset, open_source
from styleflax.images.files import decode_image_u8
from styleflax.images.listing import list_images


def stored_report(data_dir):
    (path,) = data_dir.glob("*/*/*/report.json")
    return json.loads(path.read_text())


def all_pictures(source):
    return sorted(source[i] for i in range(len(source)))


def test_a_folder_is_served_with_its_own_bytes(photo_folder, tmp_path):
    source = open_source(f"image_folder:{photo_folder}", tmp_path / "data")
    assert len(source) == 12
    kept = [p for p in list_images(photo_folder) if p.suffix in {".jpg", ".PNG"}]
    assert {path.read_bytes() for path in kept} <= set(all_pictures(source))
    assert repr(source).startswith("PreparedPictures('image_folder/")
    again = open_source(f"image_folder:{photo_folder}", str(tmp_path / "data"))
    assert repr(again) == repr(source)
    assert [again[i] for i in range(12)] == [source[i] for i in range(12)]


def test_a_prepared_folder_is_not_prepared_again(photo_folder, tmp_path):
    open_dataset("image_folder", tmp_path, path=photo_folder)
    (record,) = tmp_path.glob("*/*/*/*.array_record*")
    before = record.stat().st_mtime_ns
    open_dataset("image_folder", tmp_path, path=photo_folder)
    (record,) = tmp_path.glob("*/*/*/*.array_record*")
    assert record.stat().st_mtime_ns == before


def test_pictures_of_several_frames_are_told_at_each_opening(
    photo_folder, tmp_path, caplog
):
    frames = [Image.new("RGB", (40, 40), (9 * i, 0, 0)) for i in range(3)]
    path = photo_folder / "moving.gif"
    frames[0].save(path, save_all=True, append_images=frames[1:])
    for _ in range(2):
        caplog.clear()
        open_source(f"image_folder:{photo_folder}", tmp_path / "data")
        assert "of 1 pictures only the first frame or page is used" in caplog.text
        assert "moving.gif" in caplog.text
    remarks = stored_report(tmp_path / "data")["remarks"]
    assert [entry["path"] for entry in remarks] == ["moving.gif"]
    assert "3 frames" in remarks[0]["remark"]
    caplog.clear()
    open_source(f"pictures:{path}", tmp_path / "data")
    assert "only the first of its 3 frames is taken" in caplog.text


@pytest.mark.parametrize("change", ["added", "removed", "renamed", "rewritten"])
def test_a_changed_folder_is_prepared_anew(change, photo_folder, tmp_path, encode):
    before = open_dataset("image_folder", tmp_path, path=photo_folder)
    path = list_images(photo_folder)[0]
    new = encode(np.full((33, 44, 3), 7, np.uint8))
    match change:
        case "added":
            path.with_name("new.jpg").write_bytes(new)
        case "removed":
            path.unlink()
        case "renamed":
            path.rename(path.with_name("new.jpg"))
        case _:  # same size, other pixels: only the time tells
            data = bytearray(path.read_bytes())
            data[-30] ^= 1
            path.write_bytes(data)
            os.utime(path, ns=(1, 1))
    after = open_dataset("image_folder", tmp_path, path=photo_folder)
    assert repr(after) != repr(before)
    assert len(after) == {"added": 13, "removed": 11}.get(change, 12)
    assert (new in all_pictures(after)) == (change == "added")


def test_odd_pictures_are_stored_as_simple_ones(tmp_path, make_picture, encode):
    folder = tmp_path / "odd"
    folder.mkdir()
    picture = make_picture(0)
    exif = Image.Exif()
    exif[0x0112] = 6
    (folder / "exif.jpg").write_bytes(encode(picture, exif=exif))
    Image.fromarray(picture).convert("CMYK").save(folder / "cmyk.jpg")
    Image.fromarray(picture).convert("P").save(folder / "palette.png")
    Image.fromarray(picture).save(folder / "lossy.webp")
    gray16 = np.tile(np.linspace(0, 65535, 60).astype(np.uint16), (40, 1))
    Image.fromarray(gray16).save(folder / "gray16.png")
    (folder / "huge.png").write_bytes(
        encode(np.zeros((1100, 1200, 3), np.uint8), "PNG")
    )
    (folder / "huge.jpg").write_bytes(encode(np.zeros((2200, 2600, 3), np.uint8)))
    # A sound picture with another format's suffix is a sound picture.
    (folder / "png.jpg").write_bytes(encode(picture, "PNG"))
    source = open_dataset("image_folder", tmp_path / "data", path=folder)
    assert len(source) == 8
    shapes = []
    for encoded in all_pictures(source):
        decoded = decode_image_u8(encoded)
        shapes.append(decoded.shape[:2])
        stored = Image.open(io.BytesIO(encoded))
        assert stored.format in {"JPEG", "PNG"}
        assert stored.mode == "RGB"
        assert 0x0112 not in stored.getexif()
    assert sorted(shapes) == [
        *[(40, 60)] * 5,
        (60, 40),
        (1024, 1117),
        (1024, 1210),
    ]


def damage(folder, sound_jpeg, sound_png):  # noqa: C901 - one case a kind
    """Writes 200 things that are named as pictures and are none; returns names."""
    rng = np.random.default_rng(0)
    bomb_png = bytearray(sound_png)
    bomb_png[16:24] = (50_000).to_bytes(4, "big") * 2
    bomb_png[29:33] = zlib.crc32(bomb_png[12:29]).to_bytes(4, "big")
    size_at = sound_jpeg.index(b"\xff\xc0") + 5
    bomb_jpeg = bytearray(sound_jpeg)
    bomb_jpeg[size_at : size_at + 4] = (60_000).to_bytes(2, "big") * 2
    tiny = bytearray(sound_jpeg)
    tiny[size_at : size_at + 4] = (9).to_bytes(2, "big") * 2
    names = []
    for i in range(200):
        kind, part = i % 10, 0.3 + 0.6 * rng.random()
        path = folder / f"bad{i:03d}.{('jpg', 'png')[i // 10 % 2]}"
        names.append(path.name)
        match kind:
            case 0:
                path.write_bytes(sound_jpeg[: int(len(sound_jpeg) * part)])
            case 1:
                path.write_bytes(sound_png[: int(len(sound_png) * part)])
            case 2:
                path.write_bytes(b"")
            case 3:
                path.write_text("<html>404 Not Found</html>")
            case 4:
                path.write_bytes(rng.bytes(3000))
            case 5:
                path.write_bytes(bomb_png)
            case 6:
                path.write_bytes(bomb_jpeg)
            case 7:
                path.write_bytes(tiny)
            case 8:
                path.mkdir()
            case _:
                path.symlink_to("nowhere") if i % 20 == 9 else os.mkfifo(path)
    return names


def test_200_damaged_files_are_skipped_and_every_one_is_reported(
    photo_folder, tmp_path, make_picture, encode, caplog
):
    sound = make_picture(0, 200, 300)
    names = damage(photo_folder, encode(sound), encode(sound, "PNG"))
    with caplog.at_level(logging.WARNING):
        source = open_dataset("image_folder", tmp_path, path=photo_folder)
    assert len(source) == 12
    report = stored_report(tmp_path)
    assert (report["num_used"], report["num_skipped"]) == (12, 200)
    assert sorted(skipped["path"] for skipped in report["skipped"]) == sorted(names)
    reasons = {skipped["path"]: skipped["reason"] for skipped in report["skipped"]}
    assert all(reason and "\n" not in reason for reason in reasons.values())
    assert "50000x50000" in reasons["bad005.jpg"]
    assert "60000x60000" in reasons["bad006.jpg"]
    assert "9x9" in reasons["bad007.jpg"]
    assert "folder" in reasons["bad008.jpg"]
    assert "200 of 212" in caplog.text
    assert "report.json" in caplog.text
    caplog.clear()
    open_dataset("image_folder", tmp_path, path=photo_folder)
    assert "200 of 212" in caplog.text  # said again on every opening


def test_file_names_that_are_not_utf8_are_taken(tmp_path, encode, make_picture):
    folder = tmp_path / "names"
    folder.mkdir()
    for name in (b"caf\xe9.jpg", "日本.jpg".encode()):
        (folder / os.fsdecode(name)).write_bytes(encode(make_picture(0)))
    (folder / os.fsdecode(b"\xff.jpg")).write_bytes(b"")
    assert len(open_dataset("image_folder", tmp_path / "data", path=folder)) == 2
    assert stored_report(tmp_path / "data")["num_skipped"] == 1


def test_folders_without_a_usable_picture_are_refused(tmp_path):
    folder = tmp_path / "empty"
    folder.mkdir()
    with pytest.raises(FileNotFoundError, match="no folder"):
        open_source(f"image_folder:{tmp_path / 'none'}", tmp_path / "data")
    with pytest.raises(ValueError, match="has no image"):
        open_source(f"image_folder:{folder}", tmp_path / "data")
    (folder / "bad.jpg").write_bytes(b"")
    for _ in range(2):  # nothing half-made is found the second time
        with pytest.raises(ValueError, match=r"not one usable.*bad\.jpg.*not an im"):
            open_source(f"image_folder:{folder}", tmp_path / "data")


def test_an_interrupted_preparation_is_started_over(photo_folder, tmp_path):
    open_dataset("image_folder", tmp_path, path=photo_folder)
    (folder,) = tmp_path.glob("image_folder/*/1.0.0")
    # What a killed process leaves behind: TFDS renames only what is complete.
    folder.rename(folder.with_name("1.0.0.incompleteABCDEF"))
    assert len(open_dataset("image_folder", tmp_path, path=photo_folder)) == 12


def test_a_damaged_dataset_folder_is_not_served(photo_folder, tmp_path):
    open_dataset("image_folder", tmp_path, path=photo_folder)
    (folder,) = tmp_path.glob("image_folder/*/1.0.0")
    shutil.rmtree(folder)
    folder.mkdir()
    with pytest.raises(FileNotFoundError, match="delete"):
        open_dataset("image_folder", tmp_path, path=photo_folder)


def test_the_network_is_left_alone(tmp_path, monkeypatch, photo_folder):
    def refuse(*args, **kwargs):
        raise AssertionError("a connection was opened")

    monkeypatch.setattr("socket.socket.connect", refuse)
    monkeypatch.setattr("socket.getaddrinfo", refuse)
    assert len(open_dataset("image_folder", tmp_path, path=photo_folder)) == 12


def test_files_that_are_no_pictures_are_counted_and_listed(
    photo_folder, tmp_path, caplog
):
    (photo_folder / "set0" / "x.psd").write_bytes(b"8BPS")
    (photo_folder / "set0" / "dead.txt").symlink_to("nowhere")
    (photo_folder / ".thumbnails").mkdir()
    shutil.copy(list_images(photo_folder)[0], photo_folder / ".thumbnails" / "a.jpg")
    assert len(open_dataset("image_folder", tmp_path / "d", path=photo_folder)) == 12
    assert "3 files are no pictures that are read" in caplog.text
    report = stored_report(tmp_path / "d")
    assert (report["num_skipped"], report["num_left_out"]) == (0, 3)
    names = [e["path"].rpartition("/")[2] for e in report["left_out"]]
    assert names == [".thumbnails", "dead.txt", "x.psd"]


def test_avif_and_gif_are_of_the_folder(tmp_path, make_picture):
    for suffix in ("avif", "gif", "ppm"):
        path = tmp_path / "photos" / f"x.{suffix}"
        path.parent.mkdir(exist_ok=True)
        Image.fromarray(make_picture(0)).save(path)
    assert len(open_dataset("image_folder", tmp_path, path=tmp_path / "photos")) == 3
