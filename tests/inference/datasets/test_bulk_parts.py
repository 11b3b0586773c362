import jax
import numpy as np
import pytest
import tensorflow_datasets as tfds

from styleflax import memory
from styleflax.datasets.pipeline import center_crop
from styleflax.inference.datasets import output
from styleflax.inference.datasets.job import (
    count_parts,
    describe,
    features_of,
    open_job,
    part_indices,
)
from styleflax.inference.datasets.maker import Maker
from styleflax.inference.datasets.output import assemble, claim, locked, read_report
from styleflax.inference.datasets.parts import read_note, read_part
from styleflax.memory import NotEnoughMemoryError

COLORS = {"r.png": (1, 0, 0), "g.png": (0, 128 / 255, 0), "below/b.png": (0, 0, 1)}


def make(job, out, parts=None, devices=1):
    """Makes parts of a job, and puts them together if they are all."""
    maker = Maker(job, out / "parts", jax.local_devices()[:devices])
    notes = list(maker.make(range(count_parts(job)) if parts is None else parts))
    if parts is None:
        assemble(out, count_parts(job), features_of(job), job.source.split, "d")
    return notes


def read(out):
    return tfds.builder_from_directory(out).as_data_source("train")


def contents(folder):
    files = (path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


def test_dataset_is_read_back_with_labels_styles_and_pixels(
    tiny, settings, folders, tmp_path
):
    job = open_job(settings._replace(seed=5))
    make(job, tmp_path / "out")
    builder = tfds.builder_from_directory(tmp_path / "out")
    assert builder.info.features["label"].names == ["cat", "dog"]
    assert builder.info.supervised_keys == ("image", "label")
    examples = list(read(tmp_path / "out"))
    assert [e["label"] for e in examples] == [0, 0, 0, 0, 1, 1, 1]
    assert [e["index"] for e in examples] == list(range(7))
    assert len({e["style"] for e in examples}) > 1
    for i, example in enumerate(examples):
        name = f"{'cat' if i < 4 else 'dog'}/{i}.png"
        assert example["name"].decode() == name
        assert (example["seed"], example["weights_sha256"]) == (5, b"0" * 64)
        content = center_crop((folders[0] / name).read_bytes(), 32) / 255.0
        color = np.array(COLORS[example["style"].decode()])
        made = np.rint((content + color) / 2 * 255)
        assert np.abs(example["image"] - made).max() <= 1


def test_style_of_a_picture_depends_on_seed_and_number_alone(tiny, settings):
    paintings = open_job(settings).paintings
    drawn = [paintings.draw(3, i).name for i in range(30)]
    again = [paintings.draw(3, i).name for i in reversed(range(30))]
    assert drawn == again[::-1]
    assert set(drawn) == set(COLORS)
    assert drawn != [paintings.draw(4, i).name for i in range(30)]
    # Pinned, so that data sets can be made again in years.
    assert drawn[:6] == ["r.png", *["g.png"] * 4, "below/b.png"]


def test_styles_beyond_the_memory_limit_are_encoded_again(tiny, settings):
    job = open_job(settings)
    job.paintings._limit_bytes = 12  # one color
    names = [job.paintings.draw(3, i).name for i in range(20)]
    assert names == [open_job(settings).paintings.draw(3, i).name for i in range(20)]
    assert len(job.paintings._kept) == 1


def test_two_workers_and_two_devices_make_the_same_bytes(tiny, settings, tmp_path):
    job = open_job(settings)
    make(job, tmp_path / "one")
    for share in range(2):
        make(job, tmp_path / "two", range(share, count_parts(job), 2), devices=2)
    make(job, tmp_path / "two")
    assert contents(tmp_path / "two") == contents(tmp_path / "one")


def test_finished_parts_are_kept_and_damaged_ones_made_again(
    tiny, settings, tmp_path, caplog
):
    job = open_job(settings)
    make(job, tmp_path / "whole")
    out, folder = tmp_path / "out", tmp_path / "out" / "parts"
    make(job, out, [0, 1, 2])
    (folder / ".00000003.array_record.tmp").write_bytes(b"half")  # a crash
    kept = (folder / "00000000.array_record").stat().st_mtime_ns
    flipped = bytearray((folder / "00000001.array_record").read_bytes())
    flipped[len(flipped) // 2] ^= 1
    (folder / "00000001.array_record").write_bytes(flipped)
    (folder / "00000002.json").write_text("{")
    with pytest.raises(ValueError, match="part 1: its records are not those"):
        read_note(folder, 1)
    made = []
    maker = Maker(job, folder, jax.local_devices()[:1])
    maker._load = lambda i, load=maker._load: made.append(i) or load(i)
    list(maker.make(range(4)))
    assert sorted(made) == [2, 3, 4, 5, 6]
    assert (folder / "00000000.array_record").stat().st_mtime_ns == kept
    assert "part 1: its records" in caplog.text
    assert "part 2: its note is damaged" in caplog.text
    assemble(out, 4, features_of(job), "train", "d")
    assert contents(out) == contents(tmp_path / "whole")


def test_damaged_pictures_and_paintings_are_listed(tiny, settings, folders, tmp_path):
    content, style = folders
    (content / "cat" / "1.png").write_bytes(b"no picture")
    for i in (4, 5):  # all of a part
        data = (content / "dog" / f"{i}.png").read_bytes()
        (content / "dog" / f"{i}.png").write_bytes(data[: len(data) // 2])
    (style / "g.png").write_bytes(b"")
    job = open_job(settings)
    make(job, tmp_path / "out")
    report = read_report(tmp_path / "out")
    assert report["num_pictures"] == 4
    assert [entry["index"] for entry in report["skipped"]] == [1, 4, 5]
    assert report["skipped"][0]["name"] == "cat/1.png"
    assert "is not an image" in report["skipped"][0]["reason"]
    assert report["damaged_styles"] == ["g.png"]
    assert [e["index"] for e in read(tmp_path / "out")] == [0, 2, 3, 6]


def test_no_usable_picture_or_painting_is_an_error(tiny, settings, folders, tmp_path):
    content, style = folders
    for path in content.rglob("*.png"):
        path.write_bytes(b"")
    with pytest.raises(ValueError, match="not one of 7 pictures can be used"):
        make(open_job(settings), tmp_path / "out")
    for path in style.rglob("*.png"):
        path.write_bytes(b"")
    with pytest.raises(ValueError, match="not one painting"):
        open_job(settings).paintings.draw(0, 0)


def test_without_cropping_pictures_keep_their_aspect(tiny, settings, tmp_path):
    make(open_job(settings._replace(crop=False)), tmp_path / "out", devices=2)
    shapes = [example["image"].shape for example in read(tmp_path / "out")]
    assert shapes == [(32, round(32 / 40 * (48 + i)), 3) for i in range(7)]


def test_files_take_whole_parts_up_to_a_size(tiny, settings, tmp_path, monkeypatch):
    monkeypatch.setattr(output, "SHARD_BYTES", 4000)
    job = open_job(settings)
    make(job, tmp_path / "out")
    names = sorted(p.name for p in (tmp_path / "out").glob("*array_record*"))
    assert len(names) > 1
    assert names[0] == f"stylized-train.array_record-00000-of-{len(names):05d}"
    assert [e["index"] for e in read(tmp_path / "out")] == list(range(7))


def test_part_that_is_missing_stops_the_assembly(tiny, settings, tmp_path):
    job = open_job(settings)
    make(job, tmp_path / "out", [0, 1, 3])
    with pytest.raises(ValueError, match="part 2 is missing"):
        assemble(tmp_path / "out", 4, features_of(job), "train", "d")
    assert len(read_part(tmp_path / "out" / "parts", 3)) == 1
    assert part_indices(job, 3) == range(6, 7)


def test_damage_to_a_finished_dataset_is_noticed(tiny, settings, tmp_path):
    make(open_job(settings), tmp_path / "out")
    (path,) = (tmp_path / "out").glob("*array_record*")
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(ValueError, match="is damaged: delete the folder"):
        read_report(tmp_path / "out")


def test_folder_of_other_settings_is_refused_with_the_differences(
    tiny, settings, folders, tmp_path
):
    out = tmp_path / "out"
    out.mkdir()
    claim(out, describe(open_job(settings)))
    claim(out, describe(open_job(settings._replace(num_threads=1))))
    other = describe(open_job(settings._replace(seed=1, alpha=0.5)))
    with pytest.raises(
        ValueError, match=r"alpha: was 1.0, now 0.5; seed: was 0, now 1"
    ):
        claim(out, other)
    (folders[0] / "cat" / "0.png").unlink()
    with pytest.raises(ValueError, match=r"content: was 7 files.*, now 6 files"):
        claim(out, describe(open_job(settings)))
    with pytest.raises(ValueError, match="is not empty"):
        claim(folders[0], other)


def test_only_one_run_writes_a_folder(tmp_path):
    with (
        locked(tmp_path / "out"),
        pytest.raises(ValueError, match="another run is writing"),
        locked(tmp_path / "out"),
    ):
        pass


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"alpha": float("nan")}, "alpha must be in"),
        ({"size_px": 15}, "size_px must be at least 16, got 15"),
        ({"batch_size": 0}, "batch_size must be at least 1"),
        ({"seed": -1}, "seed must be at least 0"),
        ({"encoding": "gif"}, "encoding must be one of jpeg, png, got 'gif'"),
    ],
)
def test_bad_settings_are_named(tiny, settings, changed, message):
    with pytest.raises(ValueError, match=message):
        open_job(settings._replace(**changed))


def test_a_batch_that_does_not_fit_into_memory_says_what_to_do(
    tiny, settings, tmp_path, monkeypatch
):
    job = open_job(settings)
    monkeypatch.setattr(memory, "program_bytes", lambda _: 1e15)
    with pytest.raises(
        NotEnoughMemoryError,
        match=r"batches of 2 pictures of 32 px .*--batch or --size",
    ):
        make(job, tmp_path / "out")
