"""Forked processes, in which JAX would wait for ever."""

import os
import subprocess
import sys

import pytest

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="no forks here")

# A child that does not answer is killed by the parent's alarm, which fails the test.
POOL = """
import multiprocessing, sys
import numpy as np
sys.path.insert(0, "tests/helpers")
from narrow_stylizer import make_narrow_stylizer

kind, before = sys.argv[1:]
PICTURE = np.zeros((32, 32, 3), np.uint8)

def make():
    from styleflax.inference.stylizer import Stylizer
    return make_narrow_stylizer("adain", tile_px=0)

stylizer = make() if before == "made" else None
if before == "used":
    import jax
    jax.numpy.ones(2).block_until_ready()

def work(_):
    return (stylizer or make())(PICTURE, PICTURE).array.shape

def encode(_):
    return sorted((stylizer or make()).encode_style(PICTURE))

if __name__ == "__main__":
    with multiprocessing.get_context(kind).Pool(1) as pool:
        for function in (work, encode):
            try:
                print(pool.map_async(function, [0]).get(timeout=100))
            except Exception as error:
                print(type(error).__name__, error)
"""


def run_pool(kind, before, tmp_path):
    script = tmp_path / "pool.py"
    script.write_text(POOL)
    done = subprocess.run(
        [sys.executable, "-W", "ignore", str(script), kind, before],
        capture_output=True,
        text=True,
        check=True,
        timeout=300,
        env={**os.environ, "PYTHONPATH": os.getcwd()},  # noqa: PTH109
    )
    return done.stdout.splitlines()


@pytest.mark.parametrize(
    "before", ["made", pytest.param("used", marks=pytest.mark.slow)]
)
def test_a_forked_worker_answers_with_what_to_do(before, tmp_path):
    for line in run_pool("fork", before, tmp_path):
        assert line.startswith("ForkedProcessError this process was forked")
        assert "get_context('spawn')" in line


def test_workers_forked_before_the_first_use_of_jax_work(tmp_path):
    assert run_pool("fork", "nothing", tmp_path)[0] == "[(32, 32, 3)]"
