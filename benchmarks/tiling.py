"""Large pictures through windows: memory, agreement with the whole, compilations.

    python benchmarks/tiling.py                    # all; the large pictures take long
    python benchmarks/tiling.py memory --side 1024
    python benchmarks/tiling.py agreement compilations

`memory` is the peak of a process of its own with the picture and the result in it.
glibc is told to give freed memory back at once (MALLOC_MMAP_THRESHOLD_), so that the
peak is what was in use. `agreement` is the largest difference, in [0, 1], from the
program of the whole picture. `compilations` counts XLA's, of 50 pictures of 50 sizes
after a folder of 3. AdaIN is the packaged model, SANet an untrained one.
"""

import argparse
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import jax
import numpy as np
from rich.console import Console
from rich.table import Table

from styleflax import methods
from styleflax.data.pixels import to_float
from styleflax.inference.model import Model, build_model
from styleflax.inference.tiling import TILE_PX, stylize_tiled
from styleflax.methods.base import Style, plain_controls, stylize
from styleflax.models.vgg import cut_params
from styleflax.weights.packaged import load_packaged_vgg16
from styleflax.weights.packaged_models import find_model
from styleflax.weights.store import load_model

LARGE_PX = {"adain": 8192, "sanet": 4096}
STYLE_PX = {"adain": 512, "sanet": 1024}
AGREEMENT_PX = (1017, 700)
COMPILED = "/jax/core/compile/backend_compile_duration"


def build(name: str) -> Model:
    """A model of true width."""
    if name == "adain":
        return build_model(load_model(find_model(name)))
    method = methods.build(name)
    encoder = cut_params(load_packaged_vgg16(), method.encoder_layers)
    return Model(method, method.init(jax.random.key(0)), {"encoder": encoder})


def picture(height: int, width: int, seed: int = 0) -> np.ndarray:
    """Noise of many scales, as uint8."""
    rng = np.random.default_rng(seed)
    values = np.zeros((height, width, 3), np.float32)
    for scale in (4, 32, 256):
        coarse = rng.random((height // scale + 1, width // scale + 1, 3), np.float32)
        values += coarse.repeat(scale, 0).repeat(scale, 1)[:height, :width] / 3
    return np.uint8(values * 255)


def encode(model: Model, side_px: int) -> Style:
    """A style of that side."""
    image = to_float(picture(side_px, side_px, seed=1))[None]
    program = jax.jit(lambda m, x: model.method.encode_style(*m, {"image": x}))
    return program(model[1:], image)


def measure_memory(name: str, side_px: int, tile_px: int) -> dict[str, float]:
    """Peak of this process, in MB, and seconds, compilation included."""
    model, content_u8 = build(name), picture(side_px, side_px)
    style = encode(model, min(side_px, STYLE_PX[name]))
    start = time.perf_counter()
    stylize_tiled(model, content_u8, [style], plain_controls(), tile_px=tile_px)
    seconds = time.perf_counter() - start
    status = Path("/proc/self/status").read_text().splitlines()
    (peak,) = (line.split()[1] for line in status if line.startswith("VmHWM"))
    return {"peak_mb": int(peak) / 1024, "seconds": seconds}


def measure_agreement(name: str, tile_px: int) -> dict[str, float]:
    """Largest difference from the program of the whole picture."""
    model, content_u8 = build(name), picture(*AGREEMENT_PX)
    styles, controls = [encode(model, 256)], plain_controls()
    out = np.empty(content_u8.shape, np.float32)
    # Half, so that there is more than one window.
    stylize_tiled(model, content_u8, styles, controls, tile_px=tile_px // 2, out=out)
    whole = jax.jit(lambda m, x: stylize(model.method, *m, x, styles, controls))
    expected = np.asarray(whole(model[1:], to_float(content_u8)[None]))[0].clip(0, 1)
    return {"deviation": float(np.abs(out - expected).max())}


def measure_compilations(name: str, tile_px: int) -> dict[str, float]:
    """Programs compiled for a folder of 3 pictures, and for 50 more."""
    model = build(name)
    styles, controls, counts = [encode(model, 128)], plain_controls(), [0]

    def count(event: str, _seconds: float, **_: Any) -> None:
        counts[-1] += event == COMPILED

    jax.monitoring.register_event_duration_secs_listener(count)
    smallest = tile_px // 4
    folder = [(smallest, 100), (smallest + 1, 60), (tile_px, tile_px)]
    for size in folder:
        stylize_tiled(model, picture(*size), styles, controls, tile_px=tile_px)
    counts.append(0)
    for k in range(50):
        size = (smallest - 99 + 3 * k, 50 + 2 * k)
        if k % 10 == 0:
            size = (tile_px - k, tile_px - 1)
        stylize_tiled(model, picture(*size), styles, controls, tile_px=tile_px)
    return {"first": counts[0], "new": counts[1]}


MEASURES = {
    "memory": measure_memory,
    "agreement": measure_agreement,
    "compilations": measure_compilations,
}


def in_child(*arguments: object) -> dict[str, float]:
    """What this script measures with these arguments, in a process of its own."""
    command = [sys.executable, __file__, "--child", *map(str, arguments)]
    environment = os.environ | {"MALLOC_MMAP_THRESHOLD_": "65536"}
    output = subprocess.run(
        command, env=environment, check=True, capture_output=True, text=True
    )
    return json.loads(output.stdout.splitlines()[-1])


def main(kinds: list[str], side_px: int | None, tile_px: int) -> None:
    """Prints a line for each measure and method."""
    table = Table("what", "method", "result")
    for kind in kinds:
        for name, large_px in LARGE_PX.items():
            if kind == "memory":
                side = side_px or large_px
                x = in_child(kind, name, side, tile_px)
                text = f"{x['peak_mb']:.0f} MB, {x['seconds']:.0f} s"
                table.add_row(f"peak resident at {side} x {side}", name, text)
            elif kind == "agreement":
                x = in_child(kind, name, tile_px)
                table.add_row("difference", name, f"{x['deviation']:.1e}")
            else:
                x = in_child(kind, name, tile_px)
                text = f"{x['first']:.0f}, then {x['new']:.0f}"
                table.add_row("programs compiled", name, text)
    Console().print(table)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("kinds", nargs="*", default=list(MEASURES))
    parser.add_argument("--side", type=int, help="of the picture for memory, in px")
    parser.add_argument("--tile", type=int, default=TILE_PX)
    parser.add_argument("--child", nargs="+", metavar="ARGUMENT")
    options = parser.parse_args()
    if options.child:
        kind, name, *numbers = options.child
        print(json.dumps(MEASURES[kind](name, *map(int, numbers))))
    else:
        main(options.kinds, options.side, options.tile)
