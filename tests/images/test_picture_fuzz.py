"""Some broken files; benchmarks/fuzz_pictures.py tries ten thousand."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("cases", [40, pytest.param(400, marks=pytest.mark.slow)])
def test_broken_files_give_a_picture_or_one_clear_error(cases):
    fuzz = ROOT / "benchmarks" / "fuzz_pictures.py"
    done = subprocess.run(
        [sys.executable, fuzz, f"--cases={cases}", "--seed=1"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{cases} cases, 0 faults" in done.stdout
