"""What training on many devices costs: measured here, modeled for larger machines.

    python benchmarks/scaling.py
    python benchmarks/scaling.py --method=sanet --crop=64

On CPU: the work per virtual device stays the same on 1, 2, 4 and 8 of them, each
number in a process of its own. All share the same cores, so that there is no
speed-up to see, only what the collective adds: the all-reduce of the gradients
alone, and the whole step beside one device's step on the whole batch. Bytes are
those of the parameters and, to check, of the compiled program. The efficiency on
larger machines is modeled from them; see `links.py`.

On an accelerator: images/s with pictures that lie on the devices and with the input
pipeline, the share of the matmul peak measured beside them, and device memory.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from typing import Any

import jax
import numpy as np
from links import MACHINES, all_reduce_bytes, efficiency
from rich.console import Console
from rich.table import Table
from timing import measure
from training_step import (
    LOSSES,
    make_run,
    make_steps,
    matmul_peak,
    random_batch,
    step_flop,
)

from styleflax.config import Config
from styleflax.parallel import AXIS, all_devices, make_put, map_step, replicate
from styleflax.training.sources import open_sources, phase_batches

COUNTS = (1, 2, 4, 8)
MODELED = (8, 64, 512)
SHARE_OF_PEAK = 0.4


def stepping(mapped: Callable, state: Any, frozen: Any, batch: Any) -> Callable:
    """A call that takes one more step and waits for it."""
    held = [state]

    def call() -> None:
        held[0], metrics = mapped(held[0], frozen, batch)
        jax.block_until_ready((held[0], metrics))

    return call


def on_virtual_devices(options: argparse.Namespace) -> dict[str, float]:
    """Measures this process's devices: the step, one device's, and the all-reduce."""
    devices = jax.devices()
    size = options.batch * len(devices)
    config, method = make_run(options, size)
    batch = random_batch(options, size)
    mapped, state, frozen = make_steps(config, method, devices)
    shares = make_put(devices, "shard_map")(batch)
    program = jax.jit(mapped).lower(state, frozen, shares).compile()
    players = jax.device_get(state.variables.players)
    average = map_step(
        lambda tree, _, __: (jax.tree.map(lambda x: jax.lax.pmean(x, AXIS), tree), 0),
        devices,
        "shard_map",
    )
    held = [replicate(players, devices)]

    def reduce() -> None:
        held[0], _ = average(held[0], {}, np.zeros(len(devices)))
        jax.block_until_ready(held[0])

    calls = {"step": stepping(program, state, frozen, shares), "reduce": reduce}
    one = make_steps(config, method, devices[:1])
    calls["one"] = stepping(*one, batch)
    return {
        **measure(calls, options.repeats),
        "parameter_bytes": sum(4 * x.size for x in jax.tree.leaves(players)),
        "hlo_bytes": all_reduce_bytes(program.as_text()),
    }


def virtual_table() -> tuple[Table, int]:
    """Measured on 1 to 8 virtual devices; and the bytes that are all-reduced."""
    table = Table(
        "devices",
        "step",
        "one device, same batch",
        "all-reduce alone",
        "its share of the step",
        "bytes (parameters)",
        "bytes (compiled)",
    )
    for count in COUNTS:
        flags = f"--xla_force_host_platform_device_count={count}"
        environment = os.environ | {"XLA_FLAGS": flags, "NPROC": "32"}
        command = [sys.executable, *sys.argv, "--child"]
        output = subprocess.run(
            command, env=environment, check=True, stdout=subprocess.PIPE, text=True
        )
        x = json.loads(output.stdout.splitlines()[-1])
        print(count, x, file=sys.stderr)  # the table comes minutes later
        table.add_row(
            str(count),
            *(f"{1e3 * x[k]:.0f} ms" for k in ("step", "one", "reduce")),
            f"{100 * x['reduce'] / x['step']:.1f} %",
            *(f"{x[k] / 1e6:.2f} MB" for k in ("parameter_bytes", "hlo_bytes")),
        )
    return table, x["parameter_bytes"]


def modeled_table(flop: float, size: int) -> Table:
    """Weak scaling by published speeds; nothing of it is measured."""
    table = Table("modeled, not measured", *(f"{n} devices" for n in MODELED))
    for machine in MACHINES:
        shares = (efficiency(flop, size, n, machine, SHARE_OF_PEAK) for n in MODELED)
        table.add_row(machine.name, *(f"{100 * share:.1f} %" for share in shares))
    return table


def images_per_second(
    options: argparse.Namespace, config: Config, run: tuple, batches: Any
) -> float:
    """Pairs a second; steps are dispatched without waiting, as in training."""
    mapped, state, frozen = run
    for i in range(options.steps + 3):
        if i == 3:
            jax.block_until_ready(state)
            start = time.perf_counter()
        state, metrics = mapped(state, frozen, next(batches))
    jax.block_until_ready((state, metrics))
    return options.steps * config.phases[0].batch_size / (time.perf_counter() - start)


def on_accelerator(options: argparse.Namespace) -> Table:
    """Images/s, share of the matmul peak and memory of all devices here."""
    devices = all_devices()
    config, method = make_run(options, options.batch * len(devices))
    put = make_put(devices, "shard_map")
    synthetic = put(random_batch(options, config.phases[0].batch_size))
    rates = {}
    with tempfile.TemporaryDirectory() as folder:
        config.data.data_dir = folder
        real = map(put, phase_batches(config, open_sources(config), 0)(0))
        for name, batches in (
            ("synthetic", iter(lambda: synthetic, 0)),
            ("real", real),
        ):
            run = make_steps(config, method, devices)
            rates[name] = images_per_second(options, config, run, batches)
    flop = step_flop(options) / options.batch
    reached = flop * rates["synthetic"] / len(devices)
    peak = matmul_peak(options.dtype)
    memory = devices[0].memory_stats() or {}
    table = Table("measured on", f"{len(devices)} x {devices[0].device_kind}")
    table.add_row("pairs/s, pictures on the device", f"{rates['synthetic']:.1f}")
    table.add_row("pairs/s, input pipeline", f"{rates['real']:.1f}")
    table.add_row("FLOP of a pair's step", f"{flop:.3g}")
    table.add_row("matmul peak", f"{peak / 1e12:.1f} TFLOP/s")
    table.add_row("share of it", f"{100 * reached / peak:.1f} %")
    table.add_row("peak memory", f"{memory.get('peak_bytes_in_use', 0) / 2**20:.0f} MB")
    return table


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--method", choices=sorted(LOSSES), default="adain")
    parser.add_argument("--dtype", choices=("float32", "bfloat16"), default="float32")
    parser.add_argument(
        "--crop",
        type=int,
        default=0,
        help="side of the crops in px; default: 32 on CPU, else 256",
    )
    parser.add_argument(
        "--batch",
        type=int,
        default=0,
        help="pairs per device; default: 1 on CPU, else 8",
    )
    parser.add_argument(
        "--remat",
        action="store_true",
        help="recompute the encoder; see config.run.remat",
    )
    parser.add_argument(
        "--workers", type=int, default=0, help="number of processes that decode images"
    )
    parser.add_argument("--steps", type=int, default=50, help="on an accelerator")
    parser.add_argument("--repeats", type=int, default=7, help="on CPU")
    parser.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    on_cpu = jax.default_backend() == "cpu"
    options.crop = options.crop or (32 if on_cpu else 256)
    options.batch = options.batch or (1 if on_cpu else 8)
    if options.child:
        print(json.dumps(on_virtual_devices(options)))
        sys.exit()
    console = Console()
    if not on_cpu:
        console.print(on_accelerator(options))
        sys.exit()
    table, size = virtual_table()
    console.print(table)
    options.crop, options.batch = 256, 8
    console.print("Below, every device computes 8 pairs at 256 px.")
    console.print(modeled_table(step_flop(options), size))
