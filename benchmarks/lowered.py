"""What is lowered for a GPU, counted without one: types, transposes, bytes of padding.

    python benchmarks/lowered.py [--side 512] [--pairs 16]

`jax.export` lowers for CUDA on any machine. Its StableHLO says which types and layouts
the program asks for and which copies are written in it, not what XLA and cuDNN make of
it on the device: fusion, layouts and algorithms are chosen there.
"""

import argparse
import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import export
from rich.console import Console
from rich.table import Table
from training_step import drawn

from styleflax import methods
from styleflax.config import Optimizer
from styleflax.methods.base import Method, Variables, plain_controls, stylize
from styleflax.models.vgg import VGG, scale_widths
from styleflax.parallel import map_step
from styleflax.training.step import create_state, make_optimizer, make_train_step

METHODS = ("adain", "sanet", "lite")
_SIZES = {"bf16": 2, "f16": 2, "f32": 4, "i32": 4, "ui32": 4, "i1": 1, "ui8": 1}
_RESULT = re.compile(r"->\s*\(?tensor<(?P<shape>[^>]*)>")
_OPERANDS = re.compile(r":\s*\((?P<types>[^)]*)\)\s*->")
_TENSOR = re.compile(r"tensor<([^>]*)>")


class Count(NamedTuple):
    """What stands in a program.

    Attributes:
        convolutions: By type of their inputs.
        products: The same of matrix products.
        transposes: Bytes written by transposes of four axes and more.
        flop: Operations of matrix products by type of their inputs, loops once.
        padding: Bytes written by concatenations: maps with their reflected borders.
        layouts: Layouts of the convolutions.
    """

    convolutions: Counter[str]
    products: Counter[str]
    flop: Counter[str]
    transposes: Counter[str]
    padding: int
    layouts: Counter[str]


def lower(function: Callable, *arguments: Any) -> str:
    """The StableHLO of a program for CUDA, one line an operation."""
    exported = export.export(jax.jit(function), platforms=["cuda"])(*arguments)
    return exported.mlir_module()


def count(text: str) -> Count:
    """What stands in a program, each operation as often as it is written."""
    found = Count(*(Counter() for _ in range(4)), 0, Counter())
    padding = 0
    for line in text.splitlines():
        operands = [m for t in _OPERANDS.findall(line) for m in _TENSOR.findall(t)]
        results = _RESULT.findall(line)
        if "stablehlo.convolution" in line:
            found.convolutions["+".join(sorted({_type(x) for x in operands}))] += 1
            layout = re.search(r"dim_numbers = (.*?), window", line)
            found.layouts[layout[1] if layout else "?"] += 1
        elif "stablehlo.dot_general" in line:
            kind = "+".join(sorted({_type(x) for x in operands}))
            found.products[kind] += 1
            found.flop[kind] += _product_flop(line, operands[0], results[0])
        elif results and results[0].count("x") >= 4:
            if "stablehlo.transpose" in line:
                what = f"{operands[0]} -> {results[0]}"
                found.transposes[what] += _bytes(results[0])
            elif "stablehlo.concatenate" in line:
                padding += _bytes(results[0])
    return found._replace(padding=padding)


def _product_flop(line: str, first: str, result: str) -> int:
    contracted = re.search(r"contracting_dims = \[([\d, ]*)\]", line)
    sides = [int(side) for side in first.split("x")[:-1]]
    total = 2
    for axis in re.findall(r"\d+", contracted[1] if contracted else ""):
        total *= sides[int(axis)]
    for side in result.split("x")[:-1]:
        total *= int(side)
    return total


def _type(tensor: str) -> str:
    return tensor.rpartition("x")[2]


def _bytes(tensor: str) -> int:
    *sides, kind = tensor.split("x")
    size = _SIZES.get(kind, 4)
    for side in sides:
        size *= int(side)
    return size


def programs(
    name: str, dtype: str, side: int, pairs: int, width: float = 1.0
) -> Iterator[tuple[str, str]]:
    """The lowered programs of a method: stylizing, and the training step."""
    devices = jax.devices()[:1]
    for program, arguments in calls(name, dtype, side, pairs, devices, width=width):
        yield program, lower(*arguments)


def calls(
    name: str,
    dtype: str,
    side: int,
    pairs: int,
    devices: Sequence[jax.Device],
    **options: Any,
) -> Iterator[tuple[str, tuple[Any, ...]]]:
    """The same programs as functions and the shapes of their arguments.

    Args:
        name: Name of the method.
        dtype: Compute type.
        side: Side of the stylized images in px; crops have half.
        pairs: In a training step.
        devices: For the training step.
        options: More for `methods.build`.
    """
    method = methods.build(name, dtype=dtype, **options)
    layers = method.judge_layers or method.encoder_layers
    encoder = VGG(layers, widths=scale_widths(method.encoder_width))
    image = jax.ShapeDtypeStruct((1, side, side, 3), jnp.float32)
    shape = jax.eval_shape(encoder.init, jax.random.key(0), image)["params"]
    frozen = {"encoder": shape}
    variables = jax.eval_shape(method.init, jax.random.key(0))
    yield "stylize", (_whole(method), variables, frozen, image, image)
    first = Variables(drawn(lambda: variables.players), variables.state)
    trained = method._replace(init=lambda _: first)
    optimizer = make_optimizer(Optimizer())
    step = make_train_step(trained, optimizer, lambda _: jnp.float32(1e-4))
    state = jax.eval_shape(lambda: create_state(trained, optimizer, 0))
    crops = jax.ShapeDtypeStruct((pairs, side // 2, side // 2, 3), jnp.uint8)
    batch = {"content": crops, "style": crops}
    yield "train", (map_step(step, devices, "shard_map"), state, frozen, batch)


def _whole(method: Method) -> Callable:
    def whole(variables, frozen, content, style):
        encoded = method.encode_style(variables, frozen, {"image": style})
        controls = plain_controls(1.0)
        return stylize(method, variables, frozen, content, [encoded], controls)

    return whole


def main() -> None:
    """Prints a row for every program."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument(
        "--side",
        type=int,
        default=512,
        help="side of images in px; crops have half of it",
    )
    parser.add_argument("--pairs", type=int, default=16)
    flags = parser.parse_args()
    columns = ("convolutions", "products", "float32, GFLOP", "transposes, MB")
    table = Table("method", "type", "program", *columns, "padding, MB")
    for name in METHODS:
        for dtype in ("float32", "bfloat16"):
            for program, text in programs(name, dtype, flags.side, flags.pairs):
                found = count(text)
                convolutions, products = (
                    ", ".join(f"{n} {kind}" for kind, n in sorted(one.items()))
                    for one in (found.convolutions, found.products)
                )
                sizes = (sum(found.transposes.values()), found.padding)
                row = (name, dtype, program, convolutions, products)
                row += (f"{found.flop['f32'] / 1e9:,.1f}",)
                table.add_row(*row, *(f"{size / 1e6:,.0f}" for size in sizes))
                for what, size in found.transposes.most_common(4):
                    print(f"{name} {dtype} {program}: {what}: {size / 1e6:.1f} MB")
                print(f"{name} {dtype} {program}: {dict(found.layouts)}")
    Console(width=160).print(table)


if __name__ == "__main__":
    main()
