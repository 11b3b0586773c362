"""A few hundred broken files; benchmarks/fuzz_pictures.py tries ten thousand."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_broken_files_give_a_picture_or_one_clear_error():
    fuzz = ROOT / "benchmarks" / "fuzz_pictures.py"
    done = subprocess.run(
        [sys.executable, fuzz, "--cases=400", "--seed=1"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "400 cases, 0 faults" in done.stdout
