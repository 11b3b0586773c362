"""What one GPU makes of the networks, in six minutes: a table, and JSON.

    python benchmarks/accelerator.py --out accelerator.json
    python benchmarks/accelerator.py --out accelerator.json --minutes 4 --only torch

Needs a checkout, jax, flax, optax, orbax, numpy and Pillow; PyTorch for the section
`torch`. Networks are those of the model files (`--weights`), without the color step but
in the section `stylizer`; training is the loop's own step on pictures on the device.
Shares are of the bfloat16 matrix product that is measured first; operations are those
of the traced programs (`counting.py`), memory is that of the compiled program. A
section that fails, or whose time is up, leaves the others alone, and the file is
written after every row. `GRACE_S` after the last minute the script ends in any case.
"""

import argparse
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

# PyTorch and the sections share the device's memory; nothing is kept on disk.
os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")
os.environ.setdefault("STYLEFLAX_COMPILATION_CACHE", "off")
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import styleflax  # noqa: I001  (before jax, whose start reads its flags)
import jax
import jax.numpy as jnp
import numpy as np
from accelerator_parts import (
    AIMS,
    COMPARED,
    FULL,
    TINY,
    TRAINED,
    Bench,
    Row,
    describe,
    device_rows,
    large_rows,
    stylize_rows,
    stylizer_rows,
    train_rows,
)
from rich.console import Console
from rich.table import Table

from styleflax.weights.store import packaged_models

WIDE = 160
GRACE_S = 10.0
"""How much longer than its time the script may run, for a row that was begun."""


def torch_rows(bench: Bench) -> Iterator[Row]:
    """AdaIN with VGG-19, model files and a step of training, ours and PyTorch's."""
    from accelerator_torch import compare  # noqa: PLC0415  (torch may be missing)

    yield from compare(bench)


SECTIONS: dict[str, tuple[Callable[[Bench], Iterator[Row]], float]] = {
    "device": (device_rows, 0.08),
    "torch": (torch_rows, 0.33),
    "train": (train_rows, 0.27),
    "large": (large_rows, 0.08),
    "stylizer": (stylizer_rows, 0.08),
    "stylize": (stylize_rows, 1.0),
}
"""In order, each with its share of the whole time; what one leaves, the last has."""


def run_section(name: str, bench: Bench, begin: float, minutes: float) -> dict:
    """The rows of a section, whatever happens in it."""
    make_rows, share = SECTIONS[name]
    started = time.monotonic()
    end = min(started + share * 60 * minutes, begin + 60 * minutes)
    found: dict[str, Any] = {"rows": [], "error": ""}
    try:
        for row in make_rows(bench):
            found["rows"].append(row)
            bench.results["sections"][name] = found
            bench.save()
            if time.monotonic() > end:
                found["error"] = "its time was up: further rows may be missing"
                break
    except Exception as error:  # whatever the device says
        found["error"] = describe(error)
    return {**found, "seconds": round(time.monotonic() - started, 1)}


def stop_after(seconds: float, bench: Bench) -> threading.Timer:
    """Ends the process then, whatever it does, with what has been found by then."""

    def stop() -> None:
        print("stopped in the middle of a row, when its time was up", flush=True)
        bench.results["aims"] = find_aims(bench.results)
        print_tables(bench.results)
        bench.save()
        sys.stdout.flush()
        os._exit(1)

    timer = threading.Timer(seconds, stop)
    timer.daemon = True
    timer.start()
    return timer


def find_aims(results: dict) -> list[Row]:
    """What is aimed at, and what was reached; None where it was not measured."""
    rows = {k: v["rows"] for k, v in results["sections"].items()}
    shares = [
        row["share"]
        for row in rows.get("stylize", [])
        if (row.get("weights"), row.get("dtype")) == ("adain", "bfloat16")
        and row.get("side") == AIMS["side"]
        and row.get("share") is not None
    ]
    rates = {
        row["name"]: row["pictures_per_s"]
        for row in rows.get("torch", [])
        if row.get("program") == COMPARED and "pictures_per_s" in row
    }

    def ratio(ours: str, other: str) -> float | None:
        both = ours in rates and other in rates
        return round(rates[ours] / rates[other], 2) if both else None

    eager, compiled = (
        ratio(f"styleflax {dtype}", other)
        for dtype, other in (
            ("float32", "PyTorch eager float32 NCHW"),
            ("bfloat16", "PyTorch compiled bfloat16 channels_last"),
        )
    )
    return [
        {"aim": "share of the peak, AdaIN, 512 px, bfloat16", "at_least": 0.5}
        | {"reached": max(shares, default=None)},
        {"aim": "times PyTorch eager, float32", "at_least": 2.0, "reached": eager},
        {"aim": "times PyTorch compiled, bfloat16", "at_least": 1.0}
        | {"reached": compiled},
    ]


def print_tables(results: dict) -> None:
    """All sections, with the columns of their rows."""
    console = Console(width=WIDE)
    sections = {**results["sections"], "aims": {"rows": results["aims"], "error": ""}}
    for name, section in sections.items():
        if section["rows"]:
            columns = list(dict.fromkeys(k for row in section["rows"] for k in row))
            table = Table(*columns, title=name)
            for row in section["rows"]:
                table.add_row(*(_cell(row.get(column)) for column in columns))
            console.print(table)
        if section["error"]:
            console.print(f"{name}: {section['error']}")


def _cell(value: Any) -> str:
    if value is None:
        return "-"
    return f"{value:,.4g}" if isinstance(value, float) else str(value)


def read_arguments() -> argparse.Namespace:
    """Reads the command line."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--out", type=Path, required=True, help="JSON file to write")
    parser.add_argument(
        "--minutes", type=float, default=5.8, help="in which rows begin"
    )
    parser.add_argument("--only", nargs="+", choices=SECTIONS, default=list(SECTIONS))
    names = list(packaged_models())
    parser.add_argument(
        "--weights", nargs="+", default=names, help="names of models or model files"
    )
    parser.add_argument(
        "--trained", nargs="+", default=TRAINED, help="methods whose training to time"
    )
    parser.add_argument(
        "--tiny", action="store_true", help="use small sizes, for a trial on CPU"
    )
    return parser.parse_args()


def main() -> int:
    """Runs the sections; the exit code is 1 if one of them failed."""
    begin, flags = time.monotonic(), read_arguments()
    about = {
        "styleflax": styleflax.__version__,
        "jax": jax.__version__,
        "numpy": np.__version__,
        "device": jax.devices()[0].device_kind,
        "platform": jax.default_backend(),
        "minutes": flags.minutes,
    }
    results: dict[str, Any] = {"about": about, "sections": {}, "aims": []}
    sizes = TINY if flags.tiny else FULL
    bench = Bench(sizes, flags.weights, flags.trained, results, flags.out)
    jnp.zeros(1).block_until_ready()  # the device's start belongs to no section
    left = begin + 60 * flags.minutes + GRACE_S - time.monotonic()
    stopping = stop_after(left, bench)
    for name in (name for name in SECTIONS if name in flags.only):
        section = run_section(name, bench, begin, flags.minutes)
        results["sections"][name] = section
        print(f"{name}: {section['seconds']} s {section['error']}", flush=True)
        results["aims"] = find_aims(results)
        bench.save()
    stopping.cancel()
    print_tables(results)
    return int(any(section["error"] for section in results["sections"].values()))


if __name__ == "__main__":
    sys.exit(main())
