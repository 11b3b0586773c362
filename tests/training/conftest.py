"""A method of few parameters and pictures in memory: runs that take seconds."""

import logging
import os
import subprocess
import sys
from pathlib import Path

import jax
import pytest
from quick_programs import quick_flags
from tiny_run import make_config, make_pictures, make_tiny, write_encoder
from two_processes import CHILD, FLAGS, by_flags, free_port

from styleflax import methods
from styleflax.training import loop


@pytest.fixture(scope="session", autouse=True)
def compilation_cache(shared_programs):
    """Compiles what many runs share once; results stay the same to the bit."""


@pytest.fixture
def tiny_config():
    """Two phases of six steps, a checkpoint every other step."""
    return make_config()


@pytest.fixture
def pictures():
    """(contents, styles) as encoded pictures; a test may change the lists."""
    return make_pictures()


@pytest.fixture
def tiny_method(monkeypatch):
    monkeypatch.setitem(methods.METHODS, "tiny", make_tiny)
    return make_tiny


@pytest.fixture
def train_tiny(monkeypatch, tiny_method, pictures):
    """`train(config, workdir)` without data sets and without VGG."""
    monkeypatch.setattr(loop, "open_sources", lambda *_: pictures)

    def train(config, workdir, make_sampler=None, make_scorer=None):
        write_encoder(workdir)
        state = loop.train(config, workdir, make_sampler, make_scorer=make_scorer)
        return jax.device_get(state)

    return train


@pytest.fixture
def warnings_logged(caplog):
    """Text of the warnings so far."""
    caplog.set_level(logging.WARNING)
    return lambda: "\n".join(record.getMessage() for record in caplog.records)


@pytest.fixture(scope="session")
def start(tmp_path_factory):
    """Starts one process of a training of the tiny method."""
    folder = tmp_path_factory.mktemp("start")
    config = folder / "tiny.py"
    config.write_text("from tiny_run import make_config as get_config")
    environment = os.environ | {
        "XLA_FLAGS": quick_flags(2),
        "PYTHONPATH": str(CHILD.parent),
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


@pytest.fixture(scope="session")
def start_two(start):
    """Starts two that join; `tell(port, i)` gives flags and variables of each."""

    def begin(workdirs, *flags, tell=by_flags, **variables):
        port = free_port()
        processes = []
        for i in (0, 1):
            own_flags, own_variables = tell(port, i)
            workdir = workdirs if isinstance(workdirs, Path) else workdirs[i]
            processes.append(
                start(workdir, *own_flags, *flags, **variables, **own_variables)
            )
        return processes

    return begin


@pytest.fixture(scope="session")
def run_two(start_two):
    """Runs two to their ends: (exit code, stdout, stderr) of each."""

    def run(*arguments, **options):
        processes = start_two(*arguments, **options)
        outputs = [process.communicate(timeout=400) for process in processes]
        return [(p.returncode, *o) for p, o in zip(processes, outputs, strict=True)]

    return run
