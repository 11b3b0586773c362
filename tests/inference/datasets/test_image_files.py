"""Stylized data sets as folders of pictures."""

import csv
import json

import jax
import numpy as np
import pytest
from PIL import Image

from styleflax.images.files import load_image_u8
from styleflax.inference.datasets.job import (
    count_parts,
    count_pictures,
    open_job,
    parts_folder,
)
from styleflax.inference.datasets.maker import Maker, finish, is_finished, read_finished

COLORS = {"r.png": (1, 0, 0), "g.png": (0, 128 / 255, 0), "below/b.png": (0, 0, 1)}


@pytest.fixture
def wanted(settings):
    """Settings of image files, of the source's sizes and formats."""
    return settings._replace(format="images", size_px=None, encoding=None)


def make(settings, out, parts=None, devices=1):
    job = open_job(settings)
    maker = Maker(job, parts_folder(out, job), jax.local_devices()[:devices])
    list(maker.make(range(count_parts(job)) if parts is None else parts))
    return finish(job, out) if parts is None else None


def rows(out):
    with (out / "metadata.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def contents(folder):
    files = (path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


def pictures(folder):
    files = (p for p in folder.rglob("*.*") if p.is_file())
    return sorted(
        p.relative_to(folder).as_posix()
        for p in files
        if p.suffix not in {".csv", ".json"}
    )


def test_tree_names_and_sizes_are_the_sources(tiny, wanted, folders, tmp_path):
    content, out = folders[0], tmp_path / "out"
    report = make(wanted, out)
    assert pictures(out) == pictures(content)
    assert sorted(p.name for p in out.iterdir() if p.is_dir()) == ["cat", "dog"]
    assert report["num_pictures"] == 7
    for row in rows(out):
        before = load_image_u8(content / row["source"]) / 255
        made = load_image_u8(out / row["file_name"])
        assert made.shape == before.shape
        color = np.array(COLORS[row["style"]])
        assert np.abs(made - np.rint((before + color) / 2 * 255)).max() <= 1


def test_the_table_has_labels_styles_and_places(tiny, wanted, tmp_path):
    report = make(wanted, tmp_path / "out")
    found = rows(tmp_path / "out")
    assert list(found[0]) == [
        *("file_name", "label", "label_name", "style", "source", "index", "sha256")
    ]
    assert [row["label"] for row in found] == list("0000111")
    assert [row["label_name"] for row in found] == ["cat"] * 4 + ["dog"] * 3
    assert [row["index"] for row in found] == list("0123456")
    assert len({row["style"] for row in found}) > 1
    assert report == json.loads((tmp_path / "out" / "report.json").read_text())
    assert report["classes"] == {"label": ["cat", "dog"]}
    assert report["made_by"]["format"] == "images"


def test_each_picture_comes_in_several_different_styles(tiny, wanted, tmp_path):
    out = tmp_path / "out"
    make(wanted._replace(styles_per_picture=3), out)
    found = rows(out)
    assert len(found) == 21
    for index in range(7):
        same = [row for row in found if row["index"] == str(index)]
        assert {row["style"] for row in same} == set(COLORS)
        folder = "cat" if index < 4 else "dog"
        names = [row["file_name"] for row in same]
        assert names == [f"{folder}/{index}_{n}.png" for n in (1, 2, 3)]
    # The first style is the one that it would have alone.
    make(wanted, tmp_path / "one")
    firsts = [row["style"] for row in found if row["file_name"].endswith("_1.png")]
    assert firsts == [row["style"] for row in rows(tmp_path / "one")]
    assert count_pictures(open_job(wanted._replace(styles_per_picture=2))) == 14
    with pytest.raises(ValueError, match="at most the number of paintings, 3, got 4"):
        open_job(wanted._replace(styles_per_picture=4))


def test_a_stopped_run_goes_on_to_the_same_bytes(tiny, wanted, tmp_path):
    wanted = wanted._replace(styles_per_picture=2)
    make(wanted, tmp_path / "whole")
    out = tmp_path / "out"
    make(wanted, out, [0, 2])
    job = open_job(wanted)
    assert not is_finished(job, out)
    stamp = (out / "cat" / "0_1.png").stat().st_mtime_ns
    (out / "cat" / "2_1.png").write_bytes(b"damaged")
    (out / "cat" / "1_1.png").write_bytes(b"half, of a part without a note")
    make(wanted, out, devices=2)
    assert (out / "cat" / "0_1.png").stat().st_mtime_ns == stamp
    assert contents(out) == contents(tmp_path / "whole")
    assert is_finished(job, out)
    assert not parts_folder(out, job).exists()
    report = read_finished(job, out)
    assert report is not None
    assert report["num_pictures"] == 14


def test_damaged_pictures_of_a_finished_folder_are_made_again_alone(
    tiny, wanted, folders, tmp_path, caplog
):
    (folders[0] / "cat" / "1.png").write_bytes(b"no picture")
    (folders[1] / "r.png").write_bytes(b"no painting")
    wanted, out = wanted._replace(styles_per_picture=2), tmp_path / "out"
    report = make(wanted, out)
    before = contents(out)
    stamps = {path: path.stat().st_mtime_ns for path in out.rglob("*.png")}
    (out / "dog" / "5_1.png").unlink()
    (out / "cat" / "3_2.png").write_bytes(b"damaged")
    job = open_job(wanted)
    assert read_finished(job, out) is None
    assert not is_finished(job, out)
    assert "2 of 12 pictures" in caplog.text
    assert make(wanted, out) == report
    assert contents(out) == before
    assert read_finished(job, out) == report
    again = {p for p in stamps if p.stat().st_mtime_ns != stamps[p]}
    # A part is a picture in its two styles here.
    assert {path.name for path in again} == {
        *("5_1.png", "5_2.png", "3_1.png", "3_2.png")
    }


@pytest.mark.parametrize("name", ["metadata.csv", "report.json"])
def test_a_damaged_table_is_named_with_what_to_do(tiny, wanted, tmp_path, name):
    out = tmp_path / "out"
    make(wanted, out)
    before = contents(out)
    (out / name).write_text("damaged")
    with pytest.raises(ValueError, match="not as it was written: delete"):
        read_finished(open_job(wanted), out)
    (out / "metadata.csv").unlink()  # as the message says
    make(wanted, out)
    assert contents(out) == before


def test_pictures_of_one_size_are_made_together(tiny, wanted, folders, tmp_path):
    for path in folders[0].rglob("*.png"):
        with Image.open(path) as image:
            image.resize((40, 30)).save(path)
    make(wanted, tmp_path / "out")
    job = open_job(wanted)
    maker = Maker(job, tmp_path / "parts", jax.local_devices()[:1])
    maker._stylizer = None  # nothing goes one by one but what is alone
    list(maker.make([0, 1, 2]))
    for row in rows(tmp_path / "out"):
        assert load_image_u8(tmp_path / "out" / row["file_name"]).shape == (30, 40, 3)


def test_suffixes_that_are_not_written_become_others(tiny, wanted, folders, tmp_path):
    content, _ = folders
    with Image.open(content / "cat" / "0.png") as image:
        picture = image.convert("RGB")
    for name in ("x.JPEG", "x.gif", "1.gif", "x.bmp", "y.jfif", "z.webp"):
        kind = "JPEG" if name.endswith("jfif") else None
        picture.save(content / "cat" / name, kind)
    make(wanted, tmp_path / "out")
    assert [n for n in pictures(tmp_path / "out") if n.startswith("cat")] == [
        *("cat/0.png", "cat/1.gif.png", "cat/1.png", "cat/2.png", "cat/3.png"),
        *("cat/x.JPEG", "cat/x.bmp", "cat/x.png", "cat/y.jpg", "cat/z.webp"),
    ]
    with Image.open(tmp_path / "out" / "cat" / "x.JPEG") as image:
        assert image.format == "JPEG"
    make(wanted._replace(encoding="jpeg"), tmp_path / "jpeg")
    assert {name.rpartition(".")[2] for name in pictures(tmp_path / "jpeg")} == {
        *("jpg", "JPEG")
    }


def test_names_that_end_in_numbers_do_not_meet(tiny, wanted, folders, tmp_path):
    path = folders[0] / "cat" / "0_1.png"
    path.write_bytes((folders[0] / "cat" / "0.png").read_bytes())
    make(wanted._replace(styles_per_picture=2), tmp_path / "out")
    names = [row["file_name"] for row in rows(tmp_path / "out")]
    assert len(names) == len(set(names)) == 16
    assert {"cat/0_1.png", "cat/0_1_1.png"} <= set(names)


def test_skipped_pictures_are_listed_once(tiny, wanted, folders, tmp_path):
    (folders[0] / "cat" / "1.png").write_bytes(b"no picture")
    report = make(wanted._replace(styles_per_picture=3), tmp_path / "out")
    assert [entry["name"] for entry in report["skipped"]] == ["cat/1.png"]
    assert report["num_pictures"] == 18


@pytest.mark.parametrize("kind", ["images", "tfds"])
def test_frames_and_pages_that_are_left_out_are_told(
    kind, tiny, wanted, settings, folders, tmp_path
):
    content, style = folders
    frames = [Image.new("RGB", (40, 40), (9 * i, 0, 0)) for i in range(3)]
    for path in (content / "cat" / "0.gif", content / "cat" / "1.tif", style / "r.png"):
        frames[0].save(path, save_all=True, append_images=frames[1:])
    wanted = wanted if kind == "images" else settings
    make(wanted, tmp_path / "out", [0, 2])  # told again after a stop
    report = make(wanted, tmp_path / "out")
    gif, tif, painting = report["remarks"]
    assert gif.startswith("cat/0.gif: only the first of its 3 frames is taken")
    assert tif.startswith("cat/1.tif: only the first of its 3 pages is taken")
    assert painting.startswith("r.png: only the first of its 3 frames is taken")


def test_a_class_without_pictures_and_one_called_parts_stay(
    tiny, wanted, folders, tmp_path
):
    (folders[0] / "bee").mkdir()
    (folders[0] / "dog").rename(folders[0] / "parts")
    make(wanted, tmp_path / "out")
    found = sorted(p.name for p in (tmp_path / "out").iterdir() if p.is_dir())
    assert found == ["bee", "cat", "parts"]
    assert rows(tmp_path / "out")[-1]["label"] == "2"


def test_sizes_and_squares_may_be_asked_for(tiny, wanted, tmp_path):
    make(wanted._replace(size_px=20), tmp_path / "short")
    make(wanted._replace(size_px=20, crop=True), tmp_path / "square")
    for row in rows(tmp_path / "short"):
        assert load_image_u8(tmp_path / "short" / row["file_name"]).shape[0] == 20
    shapes = {
        load_image_u8(tmp_path / "square" / row["file_name"]).shape
        for row in rows(tmp_path / "square")
    }
    assert shapes == {(20, 20, 3)}
    with pytest.raises(ValueError, match="needs a size"):
        open_job(wanted._replace(crop=True))
    with pytest.raises(ValueError, match="format must be one of tfds, images"):
        open_job(wanted._replace(format="webdataset"))


def test_several_styles_go_into_tfds_too(tiny, settings, tmp_path):
    import tensorflow_datasets as tfds

    make(settings._replace(styles_per_picture=2), tmp_path / "out")
    examples = list(
        tfds.builder_from_directory(tmp_path / "out").as_data_source()["train"]
    )
    assert [e["index"] for e in examples] == [i for i in range(7) for _ in range(2)]
    styles = [e["style"] for e in examples]
    assert all(a != b for a, b in zip(styles[::2], styles[1::2], strict=True))
