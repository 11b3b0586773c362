"""Two workers of a Ray cluster on this machine, of two virtual devices each."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import tiny_run
from quick_programs import quick_flags
from tiny_run import write_encoder
from two_processes import FLAGS, codes

import styleflax

ray = pytest.importorskip("ray")

HELPERS = Path(tiny_run.__file__).parent
PACKAGE = Path(styleflax.__file__).parents[1]
pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    """Address of a cluster whose workers have two devices each."""
    compiled = tmp_path_factory.mktemp("compiled_on_ray")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XLA_FLAGS", quick_flags(2))
        patch.setenv("PYTHONPATH", f"{HELPERS}{os.pathsep}{PACKAGE}")
        patch.setenv("JAX_COMPILATION_CACHE_DIR", str(compiled))
        patch.setenv("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0")
        patch.setenv("JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES", "-1")
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        context = ray.init(
            address="local", num_cpus=2, include_dashboard=False, log_to_driver=False
        )
        yield context.address_info["gcs_address"]
        ray.shutdown()


@pytest.fixture
def start_on_ray(cluster, tmp_path):
    """Starts the command that trains on the cluster."""
    config = tmp_path / "tiny.py"
    config.write_text("from tiny_run import make_config as get_config")

    def begin(workdir, *flags, **variables):
        write_encoder(workdir)
        arguments = (
            f"--config={config}",
            f"--workdir={workdir}",
            "--launcher=ray",
            f"--ray.address={cluster}",
            "--ray.num_workers=2",
        )
        path = f"{HELPERS}{os.pathsep}{PACKAGE}"
        return subprocess.Popen(
            [sys.executable, str(HELPERS / "ray_run.py"), *arguments, *FLAGS, *flags],
            env=os.environ | {"PYTHONPATH": path} | variables,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    return begin


@pytest.fixture(scope="module")
def undisturbed(run_two, tmp_path_factory):
    """The end of the run of two processes without Ray."""
    workdir = tmp_path_factory.mktemp("undisturbed")
    assert codes(run_two(workdir)) == [0, 0]
    return end_of(workdir)


def end_of(workdir):
    """Digests of the last state, and all metrics."""
    meta = workdir / "checkpoints" / "12" / "meta" / "metadata"
    digests = json.loads(meta.read_text())["digests"]
    digests.pop("notes")
    return digests, (workdir / "metrics.jsonl").read_text()


def newest_step(workdir):
    steps = [p.name for p in (workdir / "checkpoints").glob("*") if p.name.isdecimal()]
    return max(map(int, steps), default=0)


def finish(process):
    """(exit code, stderr); what was printed is shown if the test fails."""
    output, error = process.communicate(timeout=400)
    print(output, error)
    return process.returncode, error


def test_a_killed_worker_on_ray_changes_nothing(start_on_ray, undisturbed, tmp_path):
    process = start_on_ray(tmp_path / "run", ACTION="1:7:SIGKILL")
    code, error = finish(process)
    assert code == 0
    assert "resuming after step 6" in error
    assert end_of(tmp_path / "run") == undisturbed


def test_sigterm_on_ray_saves_and_another_launcher_goes_on(
    start_on_ray, run_two, undisturbed, tmp_path
):
    process = start_on_ray(tmp_path / "run", STEP_S="1")
    while newest_step(tmp_path / "run") < 2 and process.poll() is None:
        time.sleep(0.1)
    process.send_signal(signal.SIGTERM)
    code, error = finish(process)
    assert code == 0
    assert "stopped by SIGTERM; run again to go on" in error
    assert 2 <= newest_step(tmp_path / "run") < 12
    assert codes(run_two(tmp_path / "run")) == [0, 0]
    assert end_of(tmp_path / "run") == undisturbed


def test_a_mistake_seen_by_ray_workers_is_told_in_one_line(start_on_ray, tmp_path):
    batch = "--config.phases[1].batch_size=6"
    code, error = finish(start_on_ray(tmp_path / "run", batch))
    assert code == 2
    assert "Traceback" not in error
    last = error.splitlines()[-1]
    assert last == (
        "styleflax: phases[1].batch_size must be a multiple of the 4 devices, got 6"
    )
