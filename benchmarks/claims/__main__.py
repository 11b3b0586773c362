"""The claims of the sources, tried: python -m benchmarks.claims NUMBER ...

    python -m benchmarks.claims 1 2 3 --content PHOTOS --style PAINTINGS \
        --eval-content PHOTOS --eval-style PAINTINGS --out runs/claims

Writes the table, the answer and a figure of every claim under `--out`; see
docs/claims.md for what was found.
"""

import argparse
import importlib
import sys
import time
from pathlib import Path

from benchmarks.claims import answers, starts
from benchmarks.claims.training import Budget

CLAIMS = {
    1: "adain_decoder",
    2: "content_target",
    3: "style_loss",
    4: "sanet_parts",
    5: "johnson_norm",
    6: "cin_new_style",
    7: "gatys_iterations",
    8: "speed",
}


def main() -> int:
    """Runs the claims that were asked for, one after the other."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("numbers", type=int, nargs="+", choices=list(CLAIMS))
    for name in ("content", "style", "eval-content", "eval-style", "out"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    plain = Budget._field_defaults
    for name in ("steps", "crop_px", "batch_size", "picture_px", "iterations"):
        flag = f"--{name.replace('_', '-')}"
        parser.add_argument(flag, type=int, default=plain[name])
    parser.add_argument("--pairs", type=int, nargs=2, default=plain["pairs"])
    parser.add_argument("--clip-norm", type=float, default=plain["clip_norm"])
    parser.add_argument("--start", choices=starts.NAMES, default=plain["start"])
    parser.add_argument("--models", type=Path, nargs="*", default=())
    given = vars(parser.parse_args())
    numbers, out = given.pop("numbers"), given.pop("out")
    for name in ("pairs", "models"):
        given[name] = tuple(given[name])
    budget = Budget(**given)
    for number in numbers:
        start = time.perf_counter()
        claim = importlib.import_module(f"benchmarks.claims.{CLAIMS[number]}")
        answer = claim.run(budget, out)
        print(f"## {number}\n\n{answers.write(answer, number, out)}")
        print(f"({time.perf_counter() - start:.0f} s)\n", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
