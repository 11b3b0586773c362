"""Pictures of any size: memory, agreement of windows with the whole, compilations.

    python benchmarks/tiling.py                    # all; the large pictures take long
    python benchmarks/tiling.py memory --side 1024
    python benchmarks/tiling.py agreement compilations

All with the packaged models. `memory` runs `styleflax stylize` on a picture of 8000 x
8000 (AdaIN) and 4096 x 4096 px (SANet, with a painting seen at 1024 px), and prints
that process's peak (ru_maxrss), reading and writing files included. `agreement` is the
largest difference, in [0, 1], between windows and the whole picture, over sizes of
every residue modulo 16, with and without masks and alpha. `compilations` counts XLA's,
of 50 pictures of 50 sizes after a folder of 3, by one stylizer.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import jax
import numpy as np
from PIL import Image
from rich.console import Console
from rich.table import Table

from styleflax import Stylizer

NAMES = ("adain", "sanet")
LARGE_PX = {"adain": 8000, "sanet": 4096}
STYLE_PX = {"adain": 512, "sanet": 1024}
BARS_GB = {"adain": 4.0, "sanet": 6.0}
TILE_PX = 272
"""For agreement: the least of SANet, so that small pictures have several windows."""
COMPILED = "/jax/core/compile/backend_compile_duration"


def picture(height: int, width: int, seed: int = 0) -> np.ndarray:
    """Noise of many scales, as uint8."""
    rng = np.random.default_rng(seed)
    values = np.zeros((height, width, 3), np.float32)
    for scale in (4, 32, 256):
        coarse = rng.random((height // scale + 1, width // scale + 1, 3), np.float32)
        values += coarse.repeat(scale, 0).repeat(scale, 1)[:height, :width] / 3
    return np.uint8(values * 255)


def draw(side_px: int, style_px: int, folder: str) -> None:
    """Writes a photograph and a painting; in a process of its own, for the memory."""
    Image.fromarray(picture(side_px, side_px)).save(Path(folder) / "photo.jpg")
    Image.fromarray(picture(style_px, style_px, seed=1)).save(Path(folder) / "art.png")


def measure_memory(name: str, side_px: int, flags: list[str]) -> str:
    """Peak of `styleflax stylize`, and its seconds."""
    style_px = min(side_px, STYLE_PX[name])
    with tempfile.TemporaryDirectory() as folder:
        numbers = ("--draw", str(side_px), str(style_px), folder)
        subprocess.run([sys.executable, __file__, *numbers], check=True)
        files = [f"{folder}/photo.jpg", "--style", f"{folder}/art.png"]
        files += ["-o", f"{folder}/out.jpg", "--weights", name]
        size = ["--style-size", str(style_px)]
        command = [sys.executable, "-m", "styleflax", "stylize", *files, *size, *flags]
        start = time.perf_counter()
        child = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        _, status, usage = os.wait4(child.pid, 0)
        seconds = time.perf_counter() - start
    if status:
        raise RuntimeError(f"{' '.join(command)} ended with status {status}")
    bar = f" (bar {BARS_GB[name]:g} GB)" if side_px == LARGE_PX[name] else ""
    return f"{usage.ru_maxrss * 1024 / 1e9:.2f} GB{bar}, {seconds:.0f} s"


def measure_agreement(name: str) -> str:
    """Largest difference from whole pictures."""
    whole, tiled = (Stylizer.load(name, tile_px=px) for px in (0, TILE_PX))
    mask = np.random.default_rng(0).random((9, 7), np.float32)
    masked: dict[str, Any] = {"masks": [mask, "rest"], "alpha": 0.6, "feather": 4.0}
    styles = [tiled.encode_style(picture(side, 96, side)) for side in (64, 128)]
    # A last window of 17 px beyond the margin of the one before, and a small picture.
    odd = [(TILE_PX + 2 * 16 + 17, 40), (33, 70)]
    odd += [(TILE_PX + 16 + r, 16 + (5 * r + 3) % 16) for r in range(16)]
    largest = {"plain": 0.0, "masks and alpha": 0.0}
    for size in odd:
        content_u8 = picture(*size)
        for which, controls in zip(largest, ({}, masked), strict=True):
            made = [one(content_u8, styles, **controls).array for one in (whole, tiled)]
            difference = float(np.abs(made[0] - made[1]).max())
            largest[which] = max(largest[which], difference)
    found = ", ".join(f"{which} {value:.1e}" for which, value in largest.items())
    return f"{found} (bar 1e-4)"


def measure_compilations(name: str) -> str:
    """Programs compiled for a folder of 3 pictures, and for 50 more."""
    stylizer, counts = Stylizer.load(name), [0]
    style = stylizer.encode_style(picture(128, 128, seed=1))

    def count(event: str, duration_secs: float, **_: str | int) -> None:
        del duration_secs
        counts[-1] += event == COMPILED

    jax.monitoring.register_event_duration_secs_listener(count)
    for size in [(300, 200), (200, 300), (240, 320)]:
        stylizer(picture(*size), style)
    counts.append(0)
    for k in range(50):
        stylizer(picture(100 + 9 * k, 600 - 10 * k), style)
    jax.monitoring.unregister_event_duration_listener(count)
    return f"{counts[0]}, then {counts[1]} (bar 0)"


def main(kinds: list[str], names: list[str], side_px: int, flags: list[str]) -> None:
    """Prints a line for each measure and method."""
    table = Table("what", "method", "result")
    for kind in kinds:
        for name in names:
            if kind == "memory":
                side = side_px or LARGE_PX[name]
                result = measure_memory(name, side, flags)
                table.add_row(f"peak resident at {side} x {side}", name, result)
            elif kind == "agreement":
                table.add_row("largest difference", name, measure_agreement(name))
            else:
                table.add_row("programs compiled", name, measure_compilations(name))
    Console().print(table)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--draw"]:
        draw(int(sys.argv[2]), int(sys.argv[3]), sys.argv[4])
        sys.exit()
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    kinds = ["memory", "agreement", "compilations"]
    parser.add_argument("kinds", nargs="*", default=kinds, metavar="|".join(kinds))
    parser.add_argument("--method", choices=NAMES, help="measure only this case")
    parser.add_argument(
        "--side", type=int, default=0, help="side of the image for memory in px"
    )
    parser.add_argument(
        "--flags", default="", help="further options of stylize, for memory"
    )
    options = parser.parse_args()
    methods = [options.method] if options.method else list(NAMES)
    main(options.kinds, methods, options.side, options.flags.split())
