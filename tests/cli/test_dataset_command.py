import errno
import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import tensorflow_datasets as tfds
import tiny_styles
from PIL import Image


@pytest.fixture
def folders(write_picture, tmp_path):
    """Five contents in two classes, and two paintings."""
    for i in range(5):
        write_picture(tmp_path / "content" / "ab"[i % 2] / f"{i}.png", seed=i)
    for i in range(2):
        write_picture(tmp_path / "style" / f"{i}.png", seed=10 + i)
    return tmp_path / "content", tmp_path / "style"


@pytest.fixture
def arguments(folders, monkeypatch):
    tiny_styles.install(monkeypatch.setattr)
    content, style = map(str, folders)
    return [
        *("dataset", content, "--style", style, "--size", "16", "--style-size", "16"),
        *("--batch", "2", "--encoding", "png", "--threads", "1"),
    ]


def records(out):
    return {path.name: path.read_bytes() for path in out.glob("*array_record*")}


def test_dataset_is_made_once(command, arguments, tmp_path):
    out = tmp_path / "new" / "out"
    code, output, error = command(*arguments, "-o", out)
    assert (code, output) == (0, f"{out}: 5 images\n")
    assert "skipped" not in error
    source = tfds.builder_from_directory(out).as_data_source("train")
    assert [e["label"] for e in source] == [0, 0, 0, 1, 1]
    names = [e["name"].decode() for e in source]
    assert names == ["a/0.png", "a/2.png", "a/4.png", "b/1.png", "b/3.png"]
    before = {p.name: p.stat().st_mtime_ns for p in out.iterdir()}
    assert command(*arguments, "-o", out)[:2] == (0, output)
    assert {p.name: p.stat().st_mtime_ns for p in out.iterdir()} == before
    assert sorted(before) == [
        *(".lock", "dataset_info.json", "features.json", "label.labels.txt"),
        *("report.json", "settings.json"),
        "stylized-train.array_record-00000-of-00001",
    ]


def test_skipped_pictures_are_told_at_every_run_with_code_1(
    command, arguments, folders, tmp_path
):
    (folders[0] / "a" / "2.png").write_bytes(b"no picture")
    (folders[1] / "0.png").write_bytes(b"no painting")
    for _ in range(2):
        code, output, error = command(*arguments, "-o", tmp_path / "out")
        assert (code, output) == (1, f"{tmp_path / 'out'}: 4 images\n")
        assert "styleflax: skipped a/2.png: the data is not an image" in error
        assert "styleflax: painting 0.png cannot be used" in error


def test_tfds_split_keeps_its_labels(command, arguments, tmp_path):
    # A data set of TFDS is what the command itself makes.
    first = tmp_path / "tfds" / "stylized" / "1.0.0"
    assert command(*arguments, "-o", first)[0] == 0
    made = []
    for content, out in ((first, "by_folder"), ("tfds:stylized", "by_name")):
        code, output, _ = command(
            *("dataset", content, *arguments[2:], "-o", tmp_path / out),
            *("--data-dir", tmp_path / "tfds", "--split", "train[1:4]"),
        )
        assert (code, output) == (0, f"{tmp_path / out}: 3 images\n")
        made.append(records(tmp_path / out))
    assert made[0] == made[1]
    builder = tfds.builder_from_directory(tmp_path / "by_name")
    assert builder.info.features["label"].names == ["a", "b"]
    assert [e["label"] for e in builder.as_data_source("train")] == [0, 0, 1]


@pytest.mark.slow  # three processes; the test below kills and goes on in one
def test_killed_run_is_finished_by_two_processes_with_the_same_bytes(
    command, arguments, tmp_path
):
    assert command(*arguments, "-o", tmp_path / "whole")[0] == 0
    script = str(Path(tiny_styles.__file__))
    call = [sys.executable, script, *arguments, "-o", str(tmp_path / "out")]
    killed = subprocess.run(call, env={**os.environ, "STOP_AFTER": "1"}, check=False)
    assert killed.returncode == 9
    assert len(list((tmp_path / "out" / "parts").glob("*.json"))) == 1
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    processes = [
        subprocess.Popen(
            [
                *(*call, "--coordinator", address),
                *("--num-processes", "2", "--process-id", str(i)),
            ],
            stdout=subprocess.PIPE,
            text=True,
        )
        for i in range(2)
    ]
    outputs = [process.communicate(timeout=300)[0] for process in processes]
    assert [process.returncode for process in processes] == [0, 0]
    told = ["5 images" in output for output in outputs]  # Gloo prints too
    assert told == [True, False]
    assert records(tmp_path / "out") == records(tmp_path / "whole")
    reports = [
        json.loads((tmp_path / name / "report.json").read_text())
        for name in ("out", "whole")
    ]
    assert reports[0] == reports[1]


def test_images_are_made_by_the_command_and_finished_after_a_kill(
    command, arguments, folders, tmp_path
):
    images = [
        *(*arguments[:4], *arguments[6:8], "--batch", "2", "--format", "images"),
        *("--styles-per-picture", "2"),
    ]

    def files(out):
        found = (p for p in out.rglob("*") if p.is_file())
        return {str(p.relative_to(out)): p.read_bytes() for p in found}

    out, whole = tmp_path / "out", tmp_path / "whole"
    code, output, _ = command(*images, "-o", whole)
    assert (code, output) == (0, f"{whole}: 10 images\n")
    assert sorted(p.name for p in whole.iterdir()) == [
        *(".lock", "a", "b", "metadata.csv", "report.json", "settings.json")
    ]
    script = str(Path(tiny_styles.__file__))
    call = [sys.executable, script, *images, "-o", str(out)]
    killed = subprocess.run(call, env={**os.environ, "STOP_AFTER": "2"}, check=False)
    assert killed.returncode == 9
    assert command(*images, "-o", out)[:2] == (0, f"{out}: 10 images\n")
    assert files(out) == files(whole)
    assert command(*images, "-o", out)[:2] == (0, f"{out}: 10 images\n")
    code, _, error = command(*images, "-o", out, "--seed", "1")
    assert code == 2
    assert "seed: was 0, now 1" in error
    # What was made is a source with the same labels.
    again = ("dataset", out, *images[2:-2], "-o", tmp_path / "again")
    assert command(*again)[0] == 0
    table = (tmp_path / "again" / "metadata.csv").read_text().splitlines()
    assert [line.split(",")[1:3] for line in table[1:]] == [
        *([["0", "a"]] * 6),
        *([["1", "b"]] * 4),
    ]


def test_ray_that_is_not_installed_is_one_line(
    refuses, arguments, tmp_path, monkeypatch
):
    monkeypatch.setitem(sys.modules, "ray", None)
    error = refuses(*arguments, "-o", tmp_path / "out", "--launcher", "ray")
    assert "pip install 'styleflax[ray]'" in error


def test_mistakes_are_one_line(refuses, command, arguments, folders, tmp_path):
    out = ["-o", tmp_path / "out"]

    def of(content, *more):
        return refuses("dataset", content, *arguments[2:], *out, *more)

    assert "there is no folder" in of(tmp_path / "none")
    (tmp_path / "empty").mkdir()
    assert "has no image" in of(tmp_path / "empty")
    assert "there is no folder" in refuses(*arguments, *out, "--style", tmp_path / "x")
    assert "has no image" in refuses(*arguments, *out, "--style", tmp_path / "empty")
    assert "launcher must be jax or ray" in refuses(
        *arguments, *out, "--launcher", "slurm"
    )
    assert "workers must be at least 1" in refuses(*arguments, *out, "--workers", "0")
    assert "alpha must be in" in refuses(*arguments, *out, "--alpha", "2")
    assert "TFDS knows no data set 'no_such'" in of("tfds:no_such")
    assert not (tmp_path / "out").exists()
    assert command(*arguments, *out)[0] == 0
    assert "has no split 'test'; it has train" in refuses(
        *("dataset", tmp_path / "out", *arguments[2:], "-o", tmp_path / "other"),
        *("--split", "test"),
    )
    assert "seed: was 0, now 1" in refuses(*arguments, *out, "--seed", "1")
    (folders[0] / "stray.png").write_bytes(b"")
    error = refuses(*arguments, *out)
    assert "also the picture 'stray.png' beside them" in error


def test_what_is_left_out_and_empty_classes_are_told(
    command, arguments, folders, tmp_path
):
    content, style = folders
    (content / "aa").mkdir()
    (content / "__MACOSX").mkdir()
    (style / "art.svg").write_text("<svg/>")
    frames = [Image.new("RGB", (40, 40), (9 * i, 0, 0)) for i in range(3)]
    frames[0].save(content / "a" / "x.gif", save_all=True, append_images=frames[1:])
    code, _, error = command(*arguments, "-o", tmp_path / "out")
    assert code == 0
    assert "warning: 2 files or folders left out: " in error
    assert "art.svg (an SVG drawing: draw it as PNG" in error
    assert "warning: the class 'aa' has no image; it keeps its number" in error
    assert "warning: a/x.gif: only the first of its 3 frames is taken" in error
    names = (tmp_path / "out" / "label.labels.txt").read_text().split()
    assert names == ["a", "aa", "b"]
    report = json.loads((tmp_path / "out" / "report.json").read_text())
    assert report["empty_classes"] == ["aa"]
    assert len(report["left_out"]) == 2


def test_labels_of_another_part_give_the_classes(command, arguments, tmp_path):
    (tmp_path / "label.labels.txt").write_text("b\na\n")
    flags = "--classes", tmp_path / "label.labels.txt", "-o", tmp_path / "out"
    assert command(*arguments, *flags)[0] == 0
    assert (tmp_path / "out" / "label.labels.txt").read_text().split() == ["b", "a"]
    code, _, error = command(*arguments, "-o", tmp_path / "out")
    assert (code, "classes: was ['b', 'a'], now None" in error) == (2, True)


@pytest.mark.parametrize("kind", ["tfds", "images"])
def test_a_full_disk_is_one_line_that_says_how_far_it_came(
    command, arguments, tmp_path, monkeypatch, kind
):
    from styleflax.inference.datasets import image_files, maker

    module, name = {
        "tfds": (maker, "write_part"),
        "images": (image_files, "write_note"),
    }[kind]
    write, calls = getattr(module, name), []

    def full(*given):
        calls.append(0)
        if len(calls) == 2:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "x")
        return write(*given)

    given = (*arguments, "--format", kind, "-o", tmp_path / "out")
    with monkeypatch.context() as patch:
        patch.setattr(module, name, full)
        code, _, error = command(*given)
    assert code == 1
    assert "the disk is full: 1 of 3 batches are made" in error
    assert "the same command again, which goes on" in error
    assert command(*given)[0] == 0


def test_a_file_of_records_that_does_not_fit_is_an_error_of_the_system(monkeypatch):
    from styleflax.inference.datasets import parts

    class Full:
        def __init__(self, *_):
            raise RuntimeError("write() failed: No space left on device; writing x\ny")

    monkeypatch.setattr(parts.array_record_module, "ArrayRecordWriter", Full)
    with pytest.raises(OSError, match="No space left") as error:
        parts.write_records(Path("x"), [b"1"])
    assert error.value.errno == errno.ENOSPC
