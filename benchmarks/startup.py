"""What a call of `styleflax stylize` costs beside the picture: first and later calls.

    python benchmarks/startup.py                        # both models, 512 px
    python benchmarks/startup.py --weights adain --rounds 1 --size 256

Every round begins with an empty cache folder and makes one picture twice, in a process
each; medians over the rounds. Seconds are those of `--json`; "all but the run" is the
whole process, as seen from outside, without them. Bars: compiling takes at most 10 % of
the first call's in the second, and all but the run at most 1.5 s. Beside every call
stands a process that imports Flax (and so JAX) and ends: what no call can go below, and
how fast the machine is just then.
"""

import argparse
import json
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from PIL import Image
from rich.console import Console
from rich.table import Table

from styleflax.art import FAMILIES, paint
from styleflax.images.listing import held_out_photo

PHASES = ("import", "weights", "compile", "run")
REST, CPU = "all but the run", "CPU time of the process"
BARE, OURS = "python -c 'import flax.linen'", "all but the run and that"
BARS = {REST: "second: 1.5", "compile": "ratio: 0.10"}
Seconds = dict[str, float]


def prepare(folder: Path, size_px: int) -> None:
    """Writes photo.png and painting.png, both square."""
    photo = Image.open(held_out_photo()).convert("RGB")
    photo.resize((size_px, size_px)).save(folder / "photo.png")
    Image.fromarray(paint(FAMILIES[0], 1, size_px)).save(folder / "painting.png")


def call(folder: Path, weights: str) -> Seconds:
    """Seconds of one call, by phase and as a whole."""
    arguments = ["photo.png", "--style", "painting.png", "-o", "out.png"]
    flags = ["--overwrite", "--json", "--weights", weights]
    command = [sys.executable, "-m", "styleflax", "stylize", *arguments, *flags]
    environment = os.environ | {"STYLEFLAX_CACHE": str(folder / "cache")}
    environment.pop("JAX_COMPILATION_CACHE_DIR", None)
    before, started = _child_cpu(), time.perf_counter()
    output = subprocess.run(
        command, cwd=folder, env=environment, check=True, stdout=subprocess.PIPE
    )
    whole = time.perf_counter() - started
    used = _child_cpu() - before
    seconds = json.loads(output.stdout.splitlines()[-1])["summary"]["seconds"]
    started = time.perf_counter()
    subprocess.run([sys.executable, "-c", "import flax.linen"], check=True)
    bare, rest = time.perf_counter() - started, whole - seconds["run"]
    return {**seconds, REST: rest, BARE: bare, OURS: rest - bare, CPU: used}


def _child_cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def measure(weights: str, rounds: int, size_px: int) -> tuple[Seconds, Seconds]:
    """Medians of the first calls and of the second ones."""
    calls: tuple[list[Seconds], list[Seconds]] = ([], [])
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        prepare(folder, size_px)
        for _ in range(rounds):
            shutil.rmtree(folder / "cache", ignore_errors=True)
            for kind in calls:
                kind.append(call(folder, weights))
    first, second = (
        {key: statistics.median(one[key] for one in kind) for key in kind[0]}
        for kind in calls
    )
    return first, second


def main(models: list[str], rounds: int, size_px: int) -> None:
    """Prints a table for every model."""
    for weights in models:
        first, second = measure(weights, rounds, size_px)
        table = Table("s", "first call", "second", "ratio", "bar", title=weights)
        for name in (*PHASES, REST, BARE, OURS, CPU):
            ratio = second[name] / max(first[name], 1e-9)
            values = f"{first[name]:.2f}", f"{second[name]:.2f}", f"{ratio:.2f}"
            table.add_row(name, *values, BARS.get(name, ""))
        Console().print(table)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--weights", nargs="+", default=["adain", "sanet"])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--size", type=int, default=512, help="side of the image in px")
    options = parser.parse_args()
    main(options.weights, options.rounds, options.size)
