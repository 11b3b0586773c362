"""Two real processes of two virtual devices each, on this machine."""

import json
import shutil
import signal

import jax
import numpy as np
import optax
import pytest
from two_processes import by_open_mpi, by_slurm, codes

from styleflax.training import run as run_module
from styleflax.training.checkpoint import Checkpoints, read_metrics
from styleflax.training.step import create_state

NO_NOISE = ("--config.phases[1].losses.noise=0",)
SGD = {"OPTIMIZER": "sgd"}


def steps_of(workdir):
    return sorted(int(p.name) for p in (workdir / "checkpoints").iterdir())


def digests(workdir, step):
    """What a checkpoint says of its leaves."""
    meta = workdir / "checkpoints" / str(step) / "meta" / "metadata"
    found = json.loads(meta.read_text())["digests"]
    return {name: digest for name, digest in found.items() if name != "notes"}


@pytest.fixture
def quiet_config(tiny_config):
    tiny_config.phases[1].losses["noise"] = 0.0  # drawn by each device for itself
    return tiny_config


@pytest.fixture
def sgd(monkeypatch):
    monkeypatch.setattr(run_module, "make_optimizer", lambda _: optax.identity())


@pytest.fixture
def check_end(train_tiny, tiny_method, quiet_config, sgd, tmp_path):
    """Compares the end of a run with that of one process with one device."""
    expected = train_tiny(quiet_config, tmp_path / "one")
    start = create_state(tiny_method({}), optax.identity(), quiet_config.seed)

    def change(state):
        leaves = map(
            jax.tree.leaves, (state.variables.players, start.variables.players)
        )
        return np.concatenate(
            [np.ravel(np.float64(a) - b) for a, b in zip(*leaves, strict=True)]
        )

    def check(workdir):
        checkpoints = Checkpoints(workdir / "checkpoints", 3, read_only=True)
        got, _ = checkpoints.restore_newest(expected)
        checkpoints.close()
        assert int(got.step) == 12
        norm = np.linalg.norm(change(expected))
        assert norm > 0
        assert np.linalg.norm(change(got) - change(expected)) / norm < 1e-5
        assert abs(np.linalg.norm(change(got)) / norm - 1) < 1e-4
        lines, expected_lines = read_metrics(workdir), read_metrics(tmp_path / "one")
        assert [m["step"] for m in lines] == list(range(1, 13))
        losses = [[m["loss"] for m in of] for of in (lines, expected_lines)]
        np.testing.assert_allclose(*losses, rtol=1e-5)

    return check


def test_two_processes_by_pmap_under_open_mpi_equal_one_and_go_on_as_one(
    run_two, check_end, train_tiny, quiet_config, tmp_path
):
    both = tmp_path / "both"
    ended = run_two(both, *NO_NOISE, tell=by_open_mpi, **SGD)
    assert codes(ended) == [0, 0]
    assert steps_of(both) == [8, 10, 12]
    check_end(both)
    shutil.rmtree(both / "checkpoints" / "12")
    train_tiny(quiet_config, both)
    check_end(both)


@pytest.mark.slow  # five processes; the pair above has what they share
def test_a_lone_run_goes_on_by_shard_map_in_two_processes_under_slurm(
    start, run_two, check_end, tmp_path
):
    workdir = tmp_path / "run"
    alone = ("--config.run.distributed=auto", "--config.run.num_devices=1")
    process = start(workdir, *alone, *NO_NOISE, ACTION="0:4:SIGTERM", **SGD)
    _, error = process.communicate(timeout=400)
    assert process.returncode == 0, error
    assert steps_of(workdir) == [2, 4]
    by_shard_map = "--config.run.parallel=shard_map"
    ended = run_two(workdir, by_shard_map, *NO_NOISE, tell=by_slurm, **SGD)
    assert codes(ended) == [0, 0]
    assert "num_processes: None -> 2" in ended[0][2]
    check_end(workdir)


@pytest.mark.slow  # twelve processes; other tests have it in one
def test_signals_kills_and_a_damaged_checkpoint_change_nothing(
    run_two, start_two, tmp_path
):
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    assert codes(run_two(whole)) == [0, 0]
    # Whichever process is asked to stop, both save at the same step.
    ended = run_two(broken, ACTION="1:3:SIGTERM")
    assert codes(ended) == [0, 0]
    assert steps_of(broken) == [2, 3]
    assert "stopped by SIGTERM to process 1" in ended[0][2]
    assert "stopped by SIGTERM" in ended[1][2]
    assert codes(run_two(broken, ACTION="0:2:SIGINT")) == [130, 130]
    assert steps_of(broken) == [3, 4, 5]
    # Whichever is killed, the other ends too, and soon.
    for victim in (1, 0):
        processes = start_two(broken, ACTION=f"{victim}:2:SIGKILL")
        processes[victim].communicate(timeout=400)
        assert processes[victim].returncode == -signal.SIGKILL
        processes[1 - victim].communicate(timeout=30)
        assert processes[1 - victim].returncode not in {0, None}
    newest = broken / "checkpoints" / str(steps_of(broken)[-1])
    for file in (newest / "state").rglob("*"):
        if file.is_file():
            file.write_bytes(file.read_bytes()[:-5])
    ended = run_two(broken)
    assert codes(ended) == [0, 0]
    assert f"checkpoint {newest.name} is damaged" in ended[0][2]
    assert "damaged" not in ended[1][2]
    assert digests(broken, 12) == digests(whole, 12)
    assert read_metrics(broken) == read_metrics(whole)
