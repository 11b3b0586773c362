import json

import pytest

from styleflax.training.checkpoint import MetricWriter, read_metrics


def write(workdir, steps, first_step=1, *, tensorboard=False):
    writer = MetricWriter(workdir, first_step, tensorboard=tensorboard)
    for step in steps:
        writer.write(step, {"loss": step / 3})
    writer.close()


def test_a_run_that_goes_on_replaces_the_steps_after_its_checkpoint(tmp_path):
    write(tmp_path, range(1, 8))
    before = (tmp_path / "metrics.jsonl").read_text().splitlines()
    write(tmp_path, range(5, 9), first_step=5)
    after = (tmp_path / "metrics.jsonl").read_text().splitlines()
    assert [m["step"] for m in read_metrics(tmp_path)] == list(range(1, 9))
    assert after[:7] == before


@pytest.mark.parametrize("length", [2, 5, 11])
def test_a_half_written_line_is_dropped(tmp_path, length):
    write(tmp_path, range(1, 4))
    path = tmp_path / "metrics.jsonl"
    path.write_bytes(path.read_bytes()[:-length])
    assert [m["step"] for m in read_metrics(tmp_path)] == [1, 2]
    write(tmp_path, [3], first_step=3)
    assert [m["step"] for m in read_metrics(tmp_path)] == [1, 2, 3]
    assert all(json.loads(line) for line in path.read_text().splitlines())


def test_a_whole_line_without_its_end_is_not_glued_to_the_next(tmp_path):
    write(tmp_path, range(1, 4))
    path = tmp_path / "metrics.jsonl"
    path.write_text(path.read_text().rstrip("\n"))
    write(tmp_path, [4], first_step=4)
    assert [m["step"] for m in read_metrics(tmp_path)] == [1, 2, 3, 4]


def test_bytes_that_are_no_text_are_dropped(tmp_path):
    write(tmp_path, range(1, 4))
    with (tmp_path / "metrics.jsonl").open("ab") as file:
        file.write(b"\xff\x00\x00\n")
    write(tmp_path, [4], first_step=4)
    assert [m["step"] for m in read_metrics(tmp_path)] == [1, 2, 3, 4]


def test_values_that_are_not_finite_are_null(tmp_path):
    writer = MetricWriter(tmp_path, 1, tensorboard=False)
    writer.write(1, {"loss": float("nan"), "grad_norm": float("inf"), "rate": 0.5})
    writer.close()
    (line,) = read_metrics(tmp_path)
    assert line == {"step": 1, "loss": None, "grad_norm": None, "rate": 0.5}


def test_flushed_lines_are_on_disk(tmp_path):
    writer = MetricWriter(tmp_path, 1, tensorboard=False)
    writer.write(1, {"loss": 1.0})
    writer.flush()
    assert len(read_metrics(tmp_path)) == 1
    writer.close()


def test_tensorboard_files_are_written_where_it_is_installed(tmp_path):
    pytest.importorskip("tensorboardX")
    write(tmp_path, range(1, 4), tensorboard=True)
    (events,) = (tmp_path / "tensorboard").glob("events.out.tfevents.*")
    assert b"train/loss" in events.read_bytes()


def test_without_tensorboard_only_lines_are_written(tmp_path, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    write(tmp_path, range(1, 4), tensorboard=True)
    names = sorted(p.name for p in tmp_path.iterdir())
    assert names == ["metrics.jsonl", "timing.jsonl"]


def test_timing_stays_out_of_the_metrics(tmp_path):
    writer = MetricWriter(tmp_path, 1, tensorboard=False)
    writer.write_timing(4, {"images_per_s": 8.0, "data_wait": 0.25})
    writer.close()
    assert read_metrics(tmp_path) == []
    line = json.loads((tmp_path / "timing.jsonl").read_text())
    assert line == {"step": 4, "images_per_s": 8.0, "data_wait": 0.25}
