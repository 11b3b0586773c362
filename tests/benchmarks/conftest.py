"""Benchmarks as somebody runs them on a machine that lacks some packages."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
MISSING = (
    *("ml_collections", "pooch", "platformdirs", "grain", "tensorflow_datasets"),
    *("array_record", "requests"),
)
"""Packages that a machine lent for its GPU may lack."""
PRELUDE = """
import runpy, sys
from pathlib import Path

class Missing:
    def find_spec(self, name, path=None, target=None):
        if name in {missing} or name.partition(".")[0] in {missing}:
            raise ModuleNotFoundError("No module named " + repr(name), name=name)

sys.meta_path.insert(0, Missing())
script = Path(sys.argv[1])
sys.argv = sys.argv[1:]
sys.path.insert(0, str(script.parent))
runpy.run_path(str(script), run_name="__main__")
"""


@pytest.fixture
def run_bare(tmp_path, shared_programs):
    """`run(script, *arguments, **variables)`: a benchmark without those packages."""

    def run(script, *arguments, **variables):
        environment = {
            **{k: v for k, v in os.environ.items() if not k.startswith("STYLEFLAX_")},
            **variables,
        }
        command = [sys.executable, "-c", PRELUDE.format(missing=MISSING)]
        return subprocess.run(
            [*command, str(ROOT / "benchmarks" / script), *map(str, arguments)],
            env=environment,
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
        )

    return run
