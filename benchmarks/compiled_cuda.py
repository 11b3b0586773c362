"""What XLA makes of the programs for an H200, compiled on a machine without a GPU.

    pip install jax-cuda13-plugin==VERSION jax-cuda13-pjrt==VERSION    # that of jaxlib
    python benchmarks/compiled_cuda.py [--methods adain] [--side 512] [--pairs 16]

XLA compiles for a described device, too. Its text shows which kernels there are, their
types and layouts, what is fused, and the memory of the whole program. It does not show
times, nor cuDNN's algorithms and their workspaces, which are chosen on the device.
"""

import argparse
import itertools
import os
import re
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

# The described device is the only one with CUDA.
os.environ["JAX_PLATFORMS"] = "cpu"
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import styleflax  # noqa: F401, I001  (before jax, whose start reads its flags)
import jax
from jax.experimental import topologies
from lowered import METHODS, calls
from rich.console import Console
from rich.table import Table

H200 = """
gpu_device_info {
  cuda_compute_capability { major: 9 }
  core_count: 132
  fpus_per_core: 128
  clock_rate_ghz: 1.98
  memory_bandwidth: 4800000000000
  device_memory_size: 150754820096
  l2_cache_size: 62914560
  threads_per_warp: 32
  threads_per_block_limit: 1024
  threads_per_core_limit: 2048
  shared_memory_per_block: 49152
  shared_memory_per_block_optin: 232448
  shared_memory_per_core: 233472
  registers_per_block_limit: 65536
  registers_per_core_limit: 65536
  block_dim_limit_x: 2147483647
  block_dim_limit_y: 65535
  block_dim_limit_z: 65535
}
platform_name: "CUDA"
dnn_version_info { major: 9 minor: 10 }
device_description_str: "NVIDIA H200"
"""
"""What XLA is told of the device."""
_INSTRUCTION = re.compile(
    r"\s*(?:ROOT )?%\S+ = (?P<result>\(.*?\)|\S+) (?P<kind>[\w-]+)\((?P<rest>.*)"
)
_ARRAY = re.compile(r"\b([a-z]+\d*)\[([\d,]*)\]")
_SIZES = {"bf16": 2, "f16": 2, "f32": 4, "s32": 4, "u32": 4, "f64": 8, "s64": 8}
_TURNS = ("{0,3,1,2}", "{0,2,3,1}")
"""Axes of a map from NHWC to NCHW, and back."""
_FREE = {"parameter", "constant", "bitcast", "tuple", "get-tuple-element"} | {
    *("while", "call", "conditional")
}
"""Instructions that write nothing themselves."""


class Kernels(NamedTuple):
    """What a compiled program runs.

    Attributes:
        convolutions: By type and layout.
        products: Matrix products, by type of their operands.
        turned: Bytes of maps turned between NHWC and NCHW.
        padding: Bytes written by kernels that concatenate borders, whatever else is
            fused with them.
        written: Bytes written by all kernels, loops once.
    """

    convolutions: Counter[str]
    products: Counter[str]
    turned: int
    padding: int
    written: int


def count_kernels(text: str) -> Kernels:
    """Counts in the text of a compiled program."""
    bodies = dict(_computations(text))
    found = Kernels(Counter(), Counter(), 0, 0, 0)
    turned = padding = written = 0
    for line in _run(bodies, "ENTRY"):
        match = _INSTRUCTION.match(line)
        if match is None or match["kind"] in _FREE:
            continue
        size = _bytes(match["result"])
        written += size
        target = re.search(r'custom_call_target="__cudnn\$conv', line)
        if target:
            layout = re.search(r"dim_labels=([^,]*)", line)
            kind = match["result"].lstrip("(").partition("[")[0]
            found.convolutions[f"{kind} {layout[1] if layout else '?'}"] += 1
        called = re.search(r"calls=%([\w.-]+)", line)
        inner = bodies[called[1]] if called else [line]
        kinds = [m["kind"] for m in map(_INSTRUCTION.match, inner) if m]
        padding += size * ("concatenate" in kinds)
        for one in inner:
            turned += _turned(one)
        found.products.update(_products(inner))
    return found._replace(turned=turned, padding=padding, written=written)


def _computations(text: str) -> Iterator[tuple[str, list[str]]]:
    """The lines of every computation by its name; that of the program is ENTRY."""
    name, lines = "", []
    for line in text.splitlines():
        head = re.match(r"(ENTRY )?%?([\w.-]+) \(.*\{$", line)
        if head:
            name, lines = "ENTRY" if head[1] else head[2], []
        elif line.startswith("}"):
            yield name, lines
        else:
            lines.append(line)


def _run(bodies: dict[str, list[str]], name: str) -> Iterator[str]:
    """The instructions that run as kernels: those of loops and branches, too."""
    for line in bodies[name]:
        yield line
        for group in re.findall(
            r"(?:body|to_apply|branch_computations)=\{?([^}\s]*)", line
        ):
            if re.search(r" (while|call|conditional)\(", line):
                for inner in re.findall(r"%([\w.-]+)", group):
                    yield from _run(bodies, inner)


def _turned(line: str) -> int:
    match = _INSTRUCTION.match(line)
    axes = re.search(r"dimensions=(\{[\d,]*\})", line)
    if match is None or match["kind"] != "transpose" or axes is None:
        return 0
    return _bytes(match["result"]) * (axes[1] in _TURNS)


def _products(lines: list[str]) -> Iterator[str]:
    types = {}
    for line in lines:
        match = _INSTRUCTION.match(line)
        if match is None:
            continue
        types[line.split("%")[1].split(" ")[0]] = match["result"].partition("[")[0]
        if match["kind"] == "dot":
            names = re.findall(r"%([\w.-]+)", match["rest"].partition(")")[0])
            yield "+".join(sorted({types.get(name, "?") for name in names}))


def _bytes(result: str) -> int:
    total = 0
    for kind, shape in _ARRAY.findall(result):
        size = _SIZES.get(kind, 1)
        for side in shape.split(","):
            size *= int(side or 1)
        total += size
    return total


def compile_for(device: Any, function: Any, *shapes: Any) -> tuple[Any, float]:
    """A program compiled for a device that need not exist, and the seconds it took."""
    place = jax.sharding.SingleDeviceSharding(device)
    placed = jax.tree.map(
        lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=place), shapes
    )
    begin = time.process_time()
    program = jax.jit(function).lower(*placed).compile()
    return program, time.process_time() - begin


def rows(flags: argparse.Namespace, device: Any) -> Iterator[tuple[str, ...]]:
    """A row for every program."""
    for name, dtype, remat in itertools.product(
        flags.methods, flags.dtypes, (False, True)[: 1 + flags.remat]
    ):
        options = {"width": flags.width, "remat": remat}
        programs = calls(name, dtype, flags.side, flags.pairs, [device], **options)
        for program, (function, *shapes) in programs:
            if remat and program == "stylize":
                continue
            made, seconds = compile_for(device, function, *shapes)
            found = count_kernels(made.as_text())
            kinds = (
                ", ".join(f"{number} {kind}" for kind, number in sorted(one.items()))
                for one in (found.convolutions, found.products)
            )
            memory = made.memory_analysis().temp_size_in_bytes
            sizes = (found.turned, found.padding, found.written, memory)
            megabytes = (f"{size / 1e6:,.0f}" for size in sizes)
            label = f"{program}, remat" if remat else program
            yield name, dtype, label, *kinds, *megabytes, f"{seconds:.0f}"


def main() -> None:
    """Prints a table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--methods", nargs="+", choices=METHODS, default=METHODS)
    parser.add_argument("--dtypes", nargs="+", default=["bfloat16", "float32"])
    parser.add_argument("--side", type=int, default=512, help="px; crops have half")
    parser.add_argument("--pairs", type=int, default=16)
    parser.add_argument("--width", type=float, default=1.0, help="factor on channels")
    parser.add_argument("--remat", action="store_true", help="also with run.remat")
    flags = parser.parse_args()
    described = topologies.get_topology_desc(
        platform="cuda", target_config=H200, topology="1x1x1"
    )
    sizes = (f"{name}, MB" for name in ("turned", "padding", "written", "memory"))
    columns = ("method", "type", "program", "convolutions", "products", *sizes)
    table = Table(*columns, "CPU s to compile")
    for row in rows(flags, described.devices[0]):
        print(*row, sep="; ", file=sys.stderr, flush=True)
        table.add_row(*row)
    Console(width=180).print(table)


if __name__ == "__main__":
    main()
