"""Memory of a training step with and without `config.run.remat`.

    python benchmarks/remat.py

Three numbers for each: bytes that JAX keeps from the forward for the backward pass
(inputs of the step not counted twice), temporary memory of the program that XLA
compiles here from its own operations, and the peak resident memory of a process that
takes two steps with this library's convolutions.
"""

import argparse
import json
import os
import subprocess
import sys

import jax
from memory import status_mb
from rich.console import Console
from rich.table import Table
from training_step import LOSSES, make_run, make_steps, random_batch

from styleflax.methods.base import Variables

MB = 2**20


def kept_mb(options: argparse.Namespace) -> float:
    """Between the passes, by shapes alone."""
    config, method = make_run(options, options.batch, native=True)
    _, state, frozen = make_steps(config, method, jax.devices()[:1])
    batch = random_batch(options, options.batch)
    images = {k: jax.ShapeDtypeStruct(v.shape, "float32") for k, v in batch.items()}

    def backward(players: Variables, frozen: object, images: object) -> object:
        def loss(own: object) -> object:
            variables = Variables(players, {})
            key = jax.random.key(0)
            return method.losses["model"](own, variables, frozen, images, key)[0]

        return jax.vjp(loss, players["model"])[1]

    kept = jax.eval_shape(backward, state.variables.players, frozen, images)
    return sum(x.size * x.dtype.itemsize for x in jax.tree.leaves(kept)) / MB


def compiled_mb(options: argparse.Namespace) -> float:
    """Temporary memory of the compiled step."""
    config, method = make_run(options, options.batch, native=True)
    mapped, state, frozen = make_steps(config, method, jax.devices()[:1])
    batch = random_batch(options, options.batch)
    program = jax.jit(mapped).lower(state, frozen, batch).compile()
    return program.memory_analysis().temp_size_in_bytes / MB


def resident_mb(options: argparse.Namespace) -> float:
    """Peak of this process after two steps."""
    config, method = make_run(options, options.batch)
    mapped, state, frozen = make_steps(config, method, jax.devices()[:1])
    batch = random_batch(options, options.batch)
    for _ in range(2):
        state, metrics = mapped(state, frozen, batch)
        jax.block_until_ready(metrics)
    return status_mb("VmHWM")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--crop", type=int, default=128, help="side of the crops in px")
    parser.add_argument(
        "--batch", type=int, default=4, help="number of pairs in a step"
    )
    parser.add_argument("--dtype", default="float32")
    parser.add_argument(
        "--width", type=float, default=1.0, help="factor on the numbers of channels"
    )
    parser.add_argument("--method", default="", help=argparse.SUPPRESS)
    parser.add_argument("--remat", action="store_true", help=argparse.SUPPRESS)
    parser.set_defaults(workers=0)
    options = parser.parse_args()
    if options.method:  # a child
        print(json.dumps(resident_mb(options)))
        sys.exit()
    table = Table("method", "remat", "kept", "compiled", "resident")
    for options.method in LOSSES:
        for options.remat in (False, True):
            command = [sys.executable, *sys.argv, f"--method={options.method}"]
            output = subprocess.run(
                command + ["--remat"] * options.remat,
                env=os.environ | {"MALLOC_MMAP_THRESHOLD_": "65536"},
                check=True,
                stdout=subprocess.PIPE,
                text=True,
            )
            sizes = (
                kept_mb(options),
                compiled_mb(options),
                json.loads(output.stdout.splitlines()[-1]),
            )
            row = (options.method, "yes" if options.remat else "no")
            table.add_row(*row, *(f"{size:.0f} MB" for size in sizes))
    Console().print(table)
