"""What YNNPACK's fusions in XLA:CPU give: the library's programs with and without them.

    python benchmarks/compiler_options.py [--only layers moments ...] [--cpu]

Every program is compiled with all fusions, with reductions and matrix products, with
reductions alone, and with none, by `compiler_options`; all run in turn, the median
counts, ratios are to all fusions. `--cpu` counts the process's CPU seconds, for a
machine where other work runs beside.
"""

import argparse
import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from rich.console import Console
from rich.table import Table
from speed import ENCODER, decode, encode, make_stylize
from timing import Call, measure
from training_step import LOSSES, drawn, make_run, make_steps, random_batch

from styleflax.models.vgg import Decoder
from styleflax.ops.attention import attention
from styleflax.ops.conv import doubling_conv3x3, valid_conv
from styleflax.ops.statistics import channel_mean_std

NAME = "xla_cpu_experimental_ynn_fusion_type"
REDUCE, DOT, CONVOLUTION = (
    f"LIBRARY_FUSION_TYPE_{kind}"
    for kind in ("REDUCE", "INDIVIDUAL_DOT", "INDIVIDUAL_CONVOLUTION")
)
FUSIONS = {
    "all": f"{REDUCE},{DOT},{CONVOLUTION}",
    "reduce, dot": f"{REDUCE},{DOT}",
    "reduce": REDUCE,
    "none": "",
}
Work = tuple[str, Callable[..., Any], tuple[Any, ...]]
# Side, channels in and out: a layer of the encoder, the first and the last of all.
LAYERS = ((56, 128, 128), (112, 3, 64), (112, 64, 3))
PICTURES_PX = (256, 512, 1024)


def compiled(function: Callable[..., Any], arguments: tuple, fusions: str) -> Call:
    """A call of the program with these fusions, which waits for its result."""
    lowered = jax.jit(function).lower(*arguments)
    program = lowered.compile(compiler_options={NAME: fusions})
    return lambda: jax.block_until_ready(program(*arguments))


def normal(*shape: int) -> jax.Array:
    """An array of noise."""
    return jax.random.normal(jax.random.key(sum(shape)), shape)


def total_gradient(function: Callable[..., Any], argument: int = 0) -> Callable:
    """The gradient of the sum of squares of what a function gives."""

    def total(*arguments: Any) -> jax.Array:
        leaves = jax.tree.leaves(function(*arguments))
        return sum(jnp.vdot(x, x) for x in leaves)

    return jax.grad(total, argument)


def layers() -> Iterator[Work]:
    """Convolutions of four maps, and gradients of input or kernel after them."""
    for side, i, o in LAYERS:
        operands = normal(4, side + 2, side + 2, i), normal(3, 3, i, o)
        label = f"convolution {i} to {o}, {side} px"
        yield label, valid_conv, operands
        for argument, name in enumerate(("input", "kernel")):
            yield f"{label}, {name}", total_gradient(valid_conv, argument), operands
    for native in (False, True):
        doubling = partial(doubling_conv3x3, native=native)
        label = f"doubling {'as it is' if native else 'by four 2x2'}, kernel"
        operands = normal(4, 32, 32, 128), normal(3, 3, 128, 64)
        yield label, total_gradient(doubling, 1), operands


def moments() -> Iterator[Work]:
    """Means and deviations over positions."""
    for shape in ((4, 112, 112, 64), (1, 64, 64, 512), (1, 512, 512, 64)):
        label = f"moments of {' x '.join(map(str, shape))}"
        yield label, channel_mean_std, (normal(*shape),)
    shape = (4, 112, 112, 64)
    yield "their gradient, first", total_gradient(channel_mean_std), (normal(*shape),)


def attentions() -> Iterator[Work]:
    """Attention of 512 channels, on both of its paths."""
    for path, tokens in (("dense", 1024), ("chunked", 4096)):
        operands = tuple(0.05 * normal(1, tokens, 512) for _ in range(3))
        attend = partial(attention, path=path)
        yield f"attention, {path}, {tokens} tokens", attend, operands
        yield f"attention, {path}, gradient", total_gradient(attend), operands


def stylizing() -> Iterator[Work]:
    """AdaIN's network as published."""
    key = jax.random.key(0)
    encoder = drawn(ENCODER.init, key, jnp.zeros((1, 16, 16, 3)))["params"]
    decoder = drawn(Decoder().init, key, jnp.zeros((1, 2, 2, 512)))["params"]
    for side in PICTURES_PX:
        pictures = (jax.random.uniform(key, (1, side, side, 3)) for _ in range(2))
        arguments = encoder, decoder, *pictures
        yield f"stylize {side} px", make_stylize(encode, decode), arguments


def training() -> Iterator[Work]:
    """The training loop's own steps, 4 pairs of 112 px."""
    options = argparse.Namespace(crop=112, dtype="float32", remat=False, workers=0)
    for options.method in LOSSES:
        config, method = make_run(options, 4)
        mapped, state, frozen = make_steps(config, method, jax.devices()[:1])
        batch = random_batch(options, 4)
        yield f"train step, {options.method}", mapped, (state, frozen, batch)


SECTIONS = {
    "layers": layers,
    "moments": moments,
    "attention": attentions,
    "stylize": stylizing,
    "train": training,
}


def main() -> None:
    """Prints a table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--only", nargs="+", choices=SECTIONS, default=list(SECTIONS))
    parser.add_argument("--repeats", type=int, default=7, help="an odd number")
    parser.add_argument("--cpu", action="store_true", help="count CPU seconds")
    flags = parser.parse_args()
    clock = time.process_time if flags.cpu else time.perf_counter
    console = Console(width=120)
    for section in flags.only:
        table = Table(f"{section}, jaxlib {jax.lib.__version__}", *FUSIONS)
        for label, function, arguments in SECTIONS[section]():
            calls = {k: compiled(function, arguments, v) for k, v in FUSIONS.items()}
            seconds = measure(calls, flags.repeats, clock)
            whole = seconds["all"]
            cells = (f"{1e3 * s:.2f} ms, {whole / s:.2f}x" for s in seconds.values())
            table.add_row(label, *cells)
        console.print(table)


if __name__ == "__main__":
    main()
