"""Real programs, really killed."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from styleflax.training.checkpoint import read_metrics

ROOT = Path(__file__).parents[2]
CONFIG = """
from styleflax.config import Config, Data, Encoder, Phase, Run, Schedule

def get_config():
    def phase(**losses):
        return Phase(3, 2, 16, 24, losses, Schedule("cosine", 1e-3))
    pictures = "image_folder:{pictures}"
    return Config(
        data=Data(pictures, pictures, "{data}"),
        encoder=Encoder(num_images=2),
        phases=(phase(pixel=1.0), phase(content=1.0, style=5.0)),
        run=Run(num_devices=1, checkpoint_every_steps=1, sample_every_steps=0),
    )
"""


@pytest.mark.slow  # tests/training does the same in one process
def test_kills_and_flipped_bits_change_nothing(tmp_path):
    # The benchmark with few of each; it compares every end with the right one.
    done = subprocess.run(
        [sys.executable, ROOT / "benchmarks" / "kills.py", "--kills=2", "--flips=1"],
        env=os.environ | {"TMPDIR": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "2 kills in" in done.stdout
    assert "1 flipped bits, 0 runs ended otherwise" in done.stdout


@pytest.fixture
def start_training(tmp_path, write_picture):
    """Starts `train.py` with AdaIN on two pictures, in a folder of that name."""
    for i in range(2):
        write_picture(tmp_path / "pictures" / f"{i}.png", 40, 40, seed=i)
    config = tmp_path / "tiny.py"
    config.write_text(
        CONFIG.format(pictures=tmp_path / "pictures", data=tmp_path / "data")
    )

    def start(name):
        return subprocess.Popen(
            [
                sys.executable,
                "train.py",
                f"--config={config}",
                f"--workdir={tmp_path / name}",
            ],
            cwd=ROOT,
            stderr=subprocess.PIPE,
            text=True,
        )

    return start


def stop_at(process, folder, number):
    """Sends a signal when a folder has appeared; the program's exit code."""
    while not folder.exists() and process.poll() is None:
        time.sleep(0.01)
    process.send_signal(number)
    _, error = process.communicate()
    return process.returncode, error


@pytest.mark.slow
def test_training_stopped_by_signals_equals_training_left_alone(
    start_training, tmp_path
):
    _, error = (alone := start_training("alone")).communicate()
    assert alone.returncode == 0, error
    stopped = tmp_path / "stopped"
    first = stop_at(
        start_training("stopped"), stopped / "checkpoints" / "1", signal.SIGKILL
    )
    assert first[0] == -signal.SIGKILL
    second = stop_at(
        start_training("stopped"), stopped / "checkpoints" / "4", signal.SIGTERM
    )
    assert second[0] == 0, second[1]
    _, error = (last := start_training("stopped")).communicate()
    assert last.returncode == 0, error
    assert "Traceback" not in error
    assert read_metrics(stopped) == read_metrics(tmp_path / "alone")
    assert [m["step"] for m in read_metrics(stopped)] == list(range(1, 7))
    assert digests(stopped) == digests(tmp_path / "alone")


def digests(workdir):
    """What the newest checkpoint says of its leaves."""
    meta = workdir / "checkpoints" / "6" / "meta" / "metadata"
    found = json.loads(meta.read_text())["digests"]
    return {name: digest for name, digest in found.items() if name != "notes"}
