"""Two real processes of two virtual devices each, on this machine."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
from pathlib import Path

import jax
import numpy as np
import optax
import pytest
from tiny_run import write_encoder

from styleflax.config import Config
from styleflax.training import run as run_module
from styleflax.training.checkpoint import Checkpoints
from styleflax.training.metric_writer import read_metrics
from styleflax.training.state import create_state
from styleflax.training.workdir import open_workdir

CHILD = Path(__file__).parents[1] / "helpers" / "joined_run.py"
FLAGS = (
    "--config.run.num_devices=0",
    "--config.run.connect_timeout_s=60",
    "--config.run.heartbeat_timeout_s=5",
)
NO_NOISE = ("--config.phases[1].losses.noise=0",)
SGD = {"OPTIMIZER": "sgd"}


@pytest.fixture(scope="module")
def start(tmp_path_factory):
    """Starts one process of a training of the tiny method."""
    folder = tmp_path_factory.mktemp("start")
    config = folder / "tiny.py"
    config.write_text("from tiny_run import make_config as get_config")
    environment = os.environ | {
        "XLA_FLAGS": "--xla_force_host_platform_device_count=2",
        "PYTHONPATH": str(CHILD.parent),
        "JAX_COMPILATION_CACHE_DIR": str(folder / "compiled"),
        "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
        "JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES": "-1",
    }

    def begin(workdir, *flags, **variables):
        write_encoder(workdir)
        arguments = (f"--config={config}", f"--workdir={workdir}", *FLAGS, *flags)
        return subprocess.Popen(
            [sys.executable, str(CHILD), *arguments],
            env=environment | variables,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    return begin


@pytest.fixture(scope="module")
def start_two(start):
    """Starts two that join; `tell(port, i)` gives flags and variables of each."""

    def begin(workdirs, *flags, tell=by_flags, **variables):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        processes = []
        for i in (0, 1):
            own_flags, own_variables = tell(port, i)
            workdir = workdirs if isinstance(workdirs, Path) else workdirs[i]
            processes.append(
                start(workdir, *own_flags, *flags, **variables, **own_variables)
            )
        return processes

    return begin


@pytest.fixture(scope="module")
def run_two(start_two):
    """Runs two to their ends: (exit code, stdout, stderr) of each."""

    def run(*arguments, **options):
        processes = start_two(*arguments, **options)
        outputs = [process.communicate(timeout=400) for process in processes]
        return [(p.returncode, *o) for p, o in zip(processes, outputs, strict=True)]

    return run


def by_flags(port, i):
    address = f"--coordinator=127.0.0.1:{port}"
    return (address, "--num_processes=2", f"--process_id={i}"), {}


def by_slurm(port, i):
    return ("--config.run.distributed=auto",), {
        "JAX_COORDINATOR_PORT": str(port),
        "SLURM_JOB_ID": "1",
        "SLURM_STEP_NODELIST": "localhost",
        "SLURM_NTASKS": "2",
        "SLURM_PROCID": str(i),
        "SLURM_LOCALID": str(i),
    }


def by_open_mpi(port, i):
    return ("--config.run.distributed=auto",), {
        "JAX_COORDINATOR_PORT": str(port),
        "OMPI_MCA_orte_hnp_uri": "1531576320.0;tcp://127.0.0.1:34911",
        "OMPI_COMM_WORLD_SIZE": "2",
        "OMPI_COMM_WORLD_RANK": str(i),
        "OMPI_COMM_WORLD_LOCAL_RANK": str(i),
    }


def codes(ended):
    """Exit codes; shows what processes said if a test fails."""
    for _, _, error in ended:
        print(error)
    return [code for code, _, _ in ended]


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


def test_signals_kills_and_a_damaged_checkpoint_change_nothing(
    run_two, start_two, tmp_path
):
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    assert codes(run_two(whole)) == [0, 0]
    # Whichever process is asked to stop, both save at the same step.
    ended = run_two(broken, ACTION="1:3:SIGTERM")
    assert codes(ended) == [0, 0]
    assert steps_of(broken) == [2, 3]
    assert "stopped by a signal to another process" in ended[0][2]
    assert "stopped by SIGTERM" in ended[1][2]
    assert codes(run_two(broken, ACTION="0:2:SIGINT")) == [0, 0]
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


def test_what_one_process_may_not_do_is_refused_in_all(run_two, tmp_path):
    for name in ("seed", "batch", "sources", "method", "network", "encoder"):
        write_encoder(tmp_path / name)
    open_workdir(tmp_path / "method", Config())
    checkpoints = Checkpoints(tmp_path / "network" / "checkpoints", 3)
    notes = {"environment": {}, "encoder": "another"}
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
        "method": "belongs to another configuration",
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
        (0, "not all of the 2 processes came to 127.0.0.1:{port} within 1 s"),
    ],
)
def test_processes_that_do_not_come_are_one_line(process_id, line, start, tmp_path):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    flags, _ = by_flags(port, process_id)
    process = start(tmp_path, *flags, "--config.run.connect_timeout_s=1")
    _, error = process.communicate(timeout=400)
    assert process.returncode == 2
    assert line.format(port=port) in error
    assert "Traceback" not in error
