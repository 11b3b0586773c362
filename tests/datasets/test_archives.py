import http.server
import io
import json
import threading
import zipfile

import numpy as np
import pytest
from PIL import Image

from styleflax.datasets.builders import folders
from styleflax.datasets.sources import open_source
from styleflax.images.files import decode_image_u8


@pytest.fixture
def photos(make_picture, encode):
    """Eight JPEGs, the third in gray (COCO holds such ones) and a broken one."""
    encodings = [encode(make_picture(i, 48, 64)) for i in range(8)]
    file = io.BytesIO()
    Image.fromarray(make_picture(2, 48, 64)).convert("L").save(file, "JPEG")
    encodings[2] = file.getvalue()
    encodings[5] = encodings[5][:300]
    return encodings


def coco_zip(photos):
    """The layout of COCO's archives: a folder entry, then flat numbered files."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
        archive.writestr("train2014/", b"")
        for i, photo in enumerate(photos):
            archive.writestr(f"train2014/COCO_train2014_{i:012d}.jpg", photo)
    return file.getvalue()


def test_coco_is_read_from_the_zip_in_the_manual_folder(photos, tmp_path, caplog):
    manual = tmp_path / "manual"
    manual.mkdir()
    (manual / "train2014.zip").write_bytes(coco_zip(photos))
    source = open_source("coco_images:train2014", tmp_path / "data", manual)
    assert len(source) == 7
    assert set(photos) >= {source[i] for i in range(7)}
    assert "1 of 8" in caplog.text
    assert all(decode_image_u8(source[i]).shape == (48, 64, 3) for i in range(7))


def test_coco_is_read_from_the_unpacked_folder_in_the_default_place(photos, tmp_path):
    manual = tmp_path / "downloads" / "manual"
    manual.mkdir(parents=True)
    with zipfile.ZipFile(io.BytesIO(coco_zip(photos))) as archive:
        archive.extractall(manual)
    assert len(open_source("coco_images:train2014", tmp_path)) == 7


@pytest.fixture
def server(tmp_path, monkeypatch):
    """Serves a folder at the address that stands for COCO's."""
    folder = tmp_path / "www"
    (folder / "zips").mkdir(parents=True)

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def __init__(self, *args):
            super().__init__(*args, directory=str(folder))

        def log_message(self, *args):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Quiet)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    url = f"http://127.0.0.1:{server.server_port}/zips/{{}}.zip"
    monkeypatch.setattr(folders, "_COCO_URL", url)
    yield folder / "zips"
    server.shutdown()
    server.server_close()


def test_coco_is_downloaded_where_it_is_not_at_hand(photos, tmp_path, server):
    (server / "train2014.zip").write_bytes(coco_zip(photos))
    assert len(open_source("coco_images:train2014", tmp_path / "data")) == 7
    (server / "train2014.zip").unlink()
    assert len(open_source("coco_images:train2014", tmp_path / "data")) == 7


def test_a_failed_download_names_the_manual_folder(tmp_path, server):
    with pytest.raises(FileNotFoundError, match=r"val2017\.zip.*manual folder"):
        open_source("coco_images:val2017", tmp_path / "data")


def test_the_addresses_are_the_ones_that_tfds_has():
    assert folders._COCO_URL.format("val2017") == (
        "http://images.cocodataset.org/zips/val2017.zip"
    )


def test_an_incomplete_zip_is_named(photos, tmp_path):
    manual = tmp_path / "manual"
    manual.mkdir()
    (manual / "train2014.zip").write_bytes(coco_zip(photos)[:-100])
    with pytest.raises(ValueError, match=r"train2014\.zip.*incomplete"):
        open_source("coco_images:train2014", tmp_path / "data", manual)


def test_painter_by_numbers_is_read_from_its_parts(photos, tmp_path):
    manual = tmp_path / "manual"
    manual.mkdir()
    with zipfile.ZipFile(manual / "train_1.zip", "w") as archive:
        for i in range(3):
            archive.writestr(f"train_1/{i}.jpg", photos[i])
    for part in (2, 3):  # both hold a 1.jpg; the names must not collide
        (manual / f"train_{part}").mkdir()
        (manual / f"train_{part}" / "1.jpg").write_bytes(photos[part + 1])
    assert len(open_source("wikiart", tmp_path / "data", manual)) == 5


def test_painter_by_numbers_as_a_whole_is_preferred_to_its_parts(photos, tmp_path):
    manual = tmp_path / "manual"
    (manual / "train_1").mkdir(parents=True)
    (manual / "train_1" / "1.jpg").write_bytes(photos[0])
    with zipfile.ZipFile(manual / "train.zip", "w") as archive:
        for i in range(3):
            archive.writestr(f"train/{i}.jpg", photos[i])
    assert len(open_source("wikiart", tmp_path / "data", manual)) == 3


def test_wikiart_is_read_from_its_folders_of_styles(photos, tmp_path):
    for i, style in enumerate(("Cubism", "Ukiyo_e")):
        folder = tmp_path / "manual" / "wikiart" / style
        folder.mkdir(parents=True)
        # 16 bits, a scan's suffix: what the collections hold beside JPEGs
        gray = np.full((40, 40), 65535 * i, np.uint16)
        Image.fromarray(gray).save(folder / "a-painter_a-title-1900.png")
        (folder / "café_b.jpg").write_bytes(photos[i])
    source = open_source("wikiart", tmp_path / "data", tmp_path / "manual")
    assert len(source) == 4


def test_missing_paintings_come_with_instructions(tmp_path):
    with pytest.raises(FileNotFoundError) as error:
        open_source("wikiart", tmp_path / "data", tmp_path / "manual")
    message = str(error.value)
    for part in ("kaggle.com", "train.zip", "wikiart", str(tmp_path / "manual")):
        assert part in message


def test_a_replaced_archive_is_prepared_anew(photos, tmp_path):
    manual = tmp_path / "manual"
    manual.mkdir()
    for count in (2, 4):
        with zipfile.ZipFile(manual / "train.zip", "w") as archive:
            for i in range(count):
                archive.writestr(f"train/{i}.jpg", photos[i])
        assert len(open_source("wikiart", tmp_path / "data", manual)) == count


def test_folders_of_tools_in_a_zip_file_are_passed_over(photos, tmp_path):
    manual = tmp_path / "manual"
    manual.mkdir()
    with zipfile.ZipFile(manual / "wikiart.zip", "w") as archive:
        archive.writestr("wikiart/Cubism/a.jpg", photos[0])
        archive.writestr("wikiart/classes.csv", b"x")
        for name in ("__MACOSX/wikiart/Cubism/._a.jpg", "wikiart/.thumbnails/a.jpg"):
            archive.writestr(name, photos[1])
    assert len(open_source("wikiart", tmp_path / "data", manual)) == 1
    (report,) = (tmp_path / "data").glob("*/*/*/report.json")
    assert json.loads(report.read_text())["left_out"] == [
        {"path": "wikiart/classes.csv", "reason": "without the suffix of an image"}
    ]
