"""What two real processes refuse together."""

import json

import numpy as np
import pytest
from tiny_run import write_encoder
from two_processes import by_flags, codes, free_port

from styleflax.config import Config
from styleflax.training.checkpoint import Checkpoints
from styleflax.training.workdir import open_workdir


@pytest.mark.slow  # two processes
def test_what_one_process_may_not_do_is_refused_in_all(run_two, tmp_path):
    for name in ("seed", "batch", "sources", "method", "network", "encoder"):
        write_encoder(tmp_path / name)
    open_workdir(tmp_path / "method", Config())
    notes = {"environment": {}, "encoder": "another"}
    for name in ("method", "network"):  # where nothing was trained, all may change
        checkpoints = Checkpoints(tmp_path / name / "checkpoints", 3)
        checkpoints.save(2, {"another": np.zeros(3)}, notes)
        checkpoints.close()
    (tmp_path / "encoder" / "encoder.safetensors").write_bytes(b"damaged")
    ended = run_two(tmp_path / "run", MISTAKES="all")
    assert codes(ended) == [0, 0]
    first, second = (
        dict(json.loads(line) for line in output.splitlines() if line.startswith('["'))
        for _, output, _ in ended
    )
    expected = {
        "batch": "phases[1].batch_size must be a multiple of the 4 devices, got 6",
        "seed": "configurations differ (seed: 0 in process 0, 1 in process 1)",
        "sources": "numbers of contents and styles differ: [8, 8] in process 0, [7",
        "method": "was started with another configuration",
        "network": "is of another network",
        "encoder": "encoder.safetensors",
    }
    assert first.keys() == second.keys() == expected.keys()
    for name, text in expected.items():
        assert text in first[name]
        assert text in second[name]
    for name in ("method", "network", "encoder"):
        assert second[name] == f"process 0: {first[name]}"
    assert not (tmp_path / "batch" / "config.json").exists()


@pytest.mark.slow  # two processes more than the test above
def test_different_workdirs_are_refused(run_two, tmp_path):
    ended = run_two((tmp_path / "a", tmp_path / "b"))
    assert codes(ended) == [2, 2]
    line = f"{tmp_path / 'b'} does not show what process 0 writes to {tmp_path / 'a'}"
    assert line in ended[0][2]
    assert line in ended[1][2]
    assert not list(tmp_path.glob("*/.token*"))


@pytest.mark.parametrize(
    ("process_id", "line"),
    [
        (1, "no coordinator answers at 127.0.0.1:{port} within 1 s"),
        pytest.param(
            *(0, "not all of the 2 processes came to 127.0.0.1:{port} within 1 s"),
            marks=pytest.mark.slow,
        ),
    ],
)
def test_processes_that_do_not_come_are_one_line(process_id, line, start, tmp_path):
    port = free_port()
    flags, _ = by_flags(port, process_id)
    process = start(tmp_path, *flags, "--config.run.connect_timeout_s=1")
    _, error = process.communicate(timeout=400)
    assert process.returncode == 2
    assert line.format(port=port) in error
    assert "Traceback" not in error
