"""What a call of the command imports, and what a second one need not do again."""

import os
import subprocess
import sys

import pytest

from styleflax.compile_cache.folder import JAX_FOLDER

# What `styleflax stylize` has no use for, each slow to import.
UNUSED = {"orbax", "tensorflow_datasets", "grain", "optax", "scipy", "skimage", "pooch"}

SCRIPT = """
import atexit, sys
from styleflax.cli import main

names = lambda: sorted({name.partition(".")[0] for name in sys.modules})
atexit.register(lambda: print(*names()))
main()
"""


@pytest.fixture(scope="module")
def calls(tmp_path_factory, write_picture, model_path):
    """Two calls of `styleflax stylize` with one cache: outputs and files kept."""
    folder = tmp_path_factory.mktemp("calls")
    write_picture(folder / "photo.png", seed=1)
    write_picture(folder / "painting.png", seed=2)
    command = [sys.executable, "-c", SCRIPT, "stylize", "photo.png"]
    command += ["--style", "painting.png", "-o", "out.png", "--overwrite"]
    command += ["--weights", str(model_path)]
    others = {k: v for k, v in os.environ.items() if k != JAX_FOLDER}
    environment = others | {
        "STYLEFLAX_CACHE": str(folder / "cache"),
        "STYLEFLAX_COMPILATION_CACHE": "on",
    }
    results = []
    for _ in range(2):
        done = subprocess.run(
            command,
            cwd=folder,
            env=environment,
            check=False,
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr
        kept = {path.name for path in (folder / "cache").rglob("*") if path.is_file()}
        results.append((done, kept, (folder / "out.png").read_bytes()))
    return results


def test_stylizing_imports_nothing_of_training(calls):
    (done, *_), _ = calls
    assert not UNUSED & set(done.stdout.split())
    assert "jax" in done.stdout.split()


def test_a_second_call_compiles_nothing_and_makes_the_same_picture(calls):
    (first, kept, picture), (second, still_kept, same_picture) = calls
    assert {name.partition("-")[0] for name in kept} >= {"encode", "run", "init"}
    assert still_kept == kept
    assert same_picture == picture
    # XLA warns of programs that were made for another processor.
    assert first.stderr == second.stderr == ""
