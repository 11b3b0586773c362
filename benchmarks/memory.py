"""Peak resident memory of SANet: the attention alone, stylizing, and a training step.

    python benchmarks/memory.py
    python benchmarks/memory.py attention          # or: stylize, train

Every number is from a child process of its own. `attention` is compared with the
dense path, whose score matrix is whole, above the memory that stands once inputs
and program are loaded; the others are the whole process. glibc is told to give freed
memory back at once (MALLOC_MMAP_THRESHOLD_), so that the peak is what was in use.
"""

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import jax
import jax.numpy as jnp
from rich.console import Console
from rich.table import Table

from styleflax import methods
from styleflax.config import Optimizer
from styleflax.methods.base import Method, Variables, plain_controls, stylize
from styleflax.models.vgg import cut_params
from styleflax.ops.attention import attention
from styleflax.parallel import local_devices, map_step, replicate
from styleflax.training.step import create_state, make_optimizer, make_train_step
from styleflax.types import Params
from styleflax.weights.packaged import load_packaged_vgg16

CHANNELS = 512
# (positions of query and of key, with the backward pass), as in the bars.
ATTENTION_CASES = ((16_384, False), (4_096, True))
PICTURE_SIDES_PX = (512, 1024, 2048)
TRAIN_CROP_PX = 256
TRAIN_BATCH = 4


def status_mb(field: str) -> float:
    """A memory field of this process, in MB: VmRSS is now, VmHWM the peak."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(field + ":"):
            return int(line.split()[1]) / 1024
    raise RuntimeError(f"/proc/self/status has no {field}")


def run(call: Callable[[], object], repeats: int) -> dict[str, float]:
    """Peak memory above what stands now, whole peak, and the fastest time."""
    before = status_mb("VmRSS")
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        jax.block_until_ready(call())
        times.append(time.perf_counter() - start)
    peak = status_mb("VmHWM")
    return {"above_mb": peak - before, "peak_mb": peak, "seconds": min(times)}


def run_attention(path: str, positions: int, backward: bool) -> dict[str, float]:
    """One of both paths on random inputs of 512 channels."""
    keys = jax.random.split(jax.random.key(0), 4)
    shape = (1, positions, CHANNELS)
    *operands, cotangent = (0.2 * jax.random.normal(key, shape) for key in keys)

    def forward(*operands: jax.Array) -> jax.Array:
        return attention(*operands, path=path)

    def gradients(cotangent: jax.Array, *operands: jax.Array) -> object:
        return jax.vjp(forward, *operands)[1](cotangent)

    if backward:
        operands = [cotangent, *operands]
    function = gradients if backward else forward
    # The same on a few positions brings the code itself into memory.
    jax.block_until_ready(jax.jit(function)(*(x[:, :600] for x in operands)))
    program = jax.jit(function).lower(*operands).compile()
    jax.block_until_ready(operands)
    return run(lambda: program(*operands), repeats=3)


def sanet() -> tuple[Method, Variables, Params]:
    """The method as published (VGG-16), with untrained parameters."""
    method = methods.build("sanet")
    encoder = cut_params(load_packaged_vgg16(), method.encoder_layers)
    return method, method.init(jax.random.key(0)), {"encoder": encoder}


def run_stylize(side_px: int) -> dict[str, float]:
    """A content and a style of the same side, at strength 1."""
    method, variables, frozen = sanet()
    images = jax.random.uniform(jax.random.key(1), (2, 1, side_px, side_px, 3))
    encode = jax.jit(lambda v, f, image: method.encode_style(v, f, {"image": image}))
    program = jax.jit(
        lambda v, f, content, style: stylize(
            method, v, f, content, [style], plain_controls(1.0)
        )
    )

    def call() -> object:
        style = encode(variables, frozen, images[1])
        return program(variables, frozen, images[0], style)

    return run(call, repeats=1)


def run_train() -> dict[str, float]:
    """Two of the loop's own steps: all losses, Adam, batch 4 at 256 px."""
    method, _, frozen = sanet()
    optimizer = make_optimizer(Optimizer())
    devices = local_devices(1)
    step = make_train_step(method, optimizer, lambda _: jnp.float32(1e-4))
    mapped = map_step(step, devices, "pmap")
    state = replicate(create_state(method, optimizer, 0), devices)
    frozen = replicate(frozen, devices)
    shape = (TRAIN_BATCH, TRAIN_CROP_PX, TRAIN_CROP_PX, 3)
    keys = jax.random.split(jax.random.key(1))
    batch = {
        name: jax.device_get(jax.random.uniform(key, shape))
        for name, key in zip(("content", "style"), keys, strict=True)
    }
    held = [state]

    def call() -> object:
        held[0], metrics = mapped(held[0], frozen, batch)
        return metrics

    return run(call, repeats=2)


def in_child(*arguments: object) -> dict[str, float]:
    """What this script measures with these arguments, in a process of its own."""
    command = [sys.executable, __file__, "--child", *map(str, arguments)]
    environment = os.environ | {"MALLOC_MMAP_THRESHOLD_": "65536"}
    output = subprocess.run(
        command, env=environment, check=True, capture_output=True, text=True
    )
    return json.loads(output.stdout.splitlines()[-1])


def child(kind: str, *arguments: str) -> None:
    """Measures and prints one line of JSON."""
    if kind == "attention":
        path, positions, backward = arguments
        result = run_attention(path, int(positions), backward == "True")
    else:
        result = run_train() if kind == "train" else run_stylize(int(arguments[0]))
    print(json.dumps(result))


def attention_table() -> Table:
    """Both paths side by side."""
    table = Table("positions", "pass", "dense", "chunked", "memory", "time")
    for positions, backward in ATTENTION_CASES:
        both = [
            in_child("attention", path, positions, backward)
            for path in ("dense", "chunked")
        ]
        table.add_row(
            f"{positions} x {positions}",
            "backward" if backward else "forward",
            *(
                f"{x['above_mb']:.0f} MB, {x['seconds']:.2f} s"
                for x in (dense, chunked)
            ),
            *(f"{both[1][k] / both[0][k]:.2f}" for k in ("above_mb", "seconds")),
        )
    return table


def whole_table(kinds: list[str]) -> Table:
    """Whole processes."""
    table = Table("what", "peak resident", "time")
    if "stylize" in kinds:
        for side in PICTURE_SIDES_PX:
            x = in_child("stylize", side)
            name = f"stylize {side} x {side} in a style of that size"
            table.add_row(name, f"{x['peak_mb']:.0f} MB", f"{x['seconds']:.1f} s")
    if "train" in kinds:
        x = in_child("train")
        name = f"train step, {TRAIN_BATCH} pairs at {TRAIN_CROP_PX} px"
        table.add_row(name, f"{x['peak_mb']:.0f} MB", f"{x['seconds']:.1f} s")
    return table


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("kinds", nargs="*", default=["attention", "stylize", "train"])
    parser.add_argument("--child", nargs="+", metavar="ARGUMENT")
    options = parser.parse_args()
    if options.child:
        child(*options.child)
    else:
        console = Console()
        if "attention" in options.kinds:
            console.print(attention_table())
        if {"stylize", "train"} & set(options.kinds):
            console.print(whole_table(options.kinds))
