"""What YNNPACK's fusions in XLA:CPU give: the library's programs with and without them.

    python benchmarks/compiler_options.py [--only layers stylize] [--name 512] [--cpu]

Every program is compiled with each choice of `FUSIONS` by `compiler_options`; all run
in turn, the median counts, ratios are to all fusions. `stylize` and `train` are whole
programs, the others parts of them. `--cpu` counts the process's CPU seconds, for a
machine where other work runs beside.
"""

import argparse
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any, NamedTuple

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
PREFIX = "LIBRARY_FUSION_TYPE_"
# What jaxlib sets, one kind less, one kind alone, none. DOT and ELTWISE, by which
# fusions of products grow, are off in all versions.
FUSIONS = {
    "all": ("REDUCE", "INDIVIDUAL_DOT", "INDIVIDUAL_CONVOLUTION"),
    "reduce, dot": ("REDUCE", "INDIVIDUAL_DOT"),
    "reduce": ("REDUCE",),
    "dot": ("INDIVIDUAL_DOT",),
    "none": (),
}
Work = tuple[str, Callable[..., Any], tuple[Any, ...]]


class Sizes(NamedTuple):
    """How large the programs are.

    Attributes:
        layers: Side, channels in and out: a layer of the encoder, the first, the last.
        doubled: Side, channels in and out of the transposed convolution.
        moments: Shapes of maps.
        attentions: Path and number of positions.
        channels: Those of attention.
        pictures_px: Sides of the stylized pictures.
        crop_px: Side of the training crops, 4 of each kind.
        width: Factor on the channels of what is trained.
    """

    layers: tuple[tuple[int, int, int], ...]
    doubled: tuple[int, int, int]
    moments: tuple[tuple[int, int, int, int], ...]
    attentions: tuple[tuple[str, int], ...]
    channels: int
    pictures_px: tuple[int, ...]
    crop_px: int
    width: float


FULL = Sizes(
    layers=((56, 128, 128), (112, 3, 64), (112, 64, 3)),
    doubled=(32, 128, 64),
    moments=((4, 112, 112, 64), (1, 64, 64, 512), (1, 512, 512, 64)),
    attentions=(("dense", 1024), ("chunked", 4096)),
    channels=512,
    pictures_px=(256, 512, 1024),
    crop_px=112,
    width=1.0,
)
TINY = Sizes(
    layers=((8, 4, 4),),
    doubled=(4, 4, 4),
    moments=((1, 8, 8, 4),),
    attentions=(("dense", 16), ("chunked", 16)),
    channels=8,
    pictures_px=(16,),
    crop_px=16,
    width=1 / 16,
)


def compiled(
    function: Callable[..., Any], arguments: tuple, fusions: Sequence[str]
) -> Call:
    """A call of the program with these fusions, which waits for its result."""
    lowered = jax.jit(function).lower(*arguments)
    names = ",".join(PREFIX + kind for kind in fusions)
    program = lowered.compile(compiler_options={NAME: names})
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


def layers(sizes: Sizes) -> Iterator[Work]:
    """Convolutions of four maps, and gradients of input or kernel after them."""
    for side, i, o in sizes.layers:
        operands = normal(4, side + 2, side + 2, i), normal(3, 3, i, o)
        label = f"convolution {i} to {o}, {side} px"
        yield label, valid_conv, operands
        for argument, name in enumerate(("input", "kernel")):
            yield f"{label}, {name}", total_gradient(valid_conv, argument), operands
    side, i, o = sizes.doubled
    for native in (False, True):
        doubling = partial(doubling_conv3x3, native=native)
        label = f"doubling {'as it is' if native else 'by four 2x2'}, kernel"
        operands = normal(4, side, side, i), normal(3, 3, i, o)
        yield label, total_gradient(doubling, 1), operands


def moments(sizes: Sizes) -> Iterator[Work]:
    """Means and deviations over positions."""
    for shape in sizes.moments:
        label = f"moments of {' x '.join(map(str, shape))}"
        yield label, channel_mean_std, (normal(*shape),)
    shape = sizes.moments[0]
    yield "their gradient, first", total_gradient(channel_mean_std), (normal(*shape),)


def attentions(sizes: Sizes) -> Iterator[Work]:
    """Attention on both of its paths."""
    for path, tokens in sizes.attentions:
        operands = tuple(0.05 * normal(1, tokens, sizes.channels) for _ in range(3))
        attend = partial(attention, path=path)
        yield f"attention, {path}, {tokens} tokens", attend, operands
        yield f"attention, {path}, gradient", total_gradient(attend), operands


def stylizing(sizes: Sizes) -> Iterator[Work]:
    """AdaIN's network as published."""
    key = jax.random.key(0)
    encoder = drawn(ENCODER.init, key, jnp.zeros((1, 16, 16, 3)))["params"]
    decoder = drawn(Decoder().init, key, jnp.zeros((1, 2, 2, 512)))["params"]
    for side in sizes.pictures_px:
        pictures = (jax.random.uniform(key, (1, side, side, 3)) for _ in range(2))
        arguments = encoder, decoder, *pictures
        yield f"stylize {side} px", make_stylize(encode, decode), arguments


def training(sizes: Sizes) -> Iterator[Work]:
    """The training loop's own steps, 4 pairs."""
    options = argparse.Namespace(
        crop=sizes.crop_px, width=sizes.width, dtype="float32", remat=False, workers=0
    )
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
    """Prints one table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--only", nargs="+", choices=SECTIONS, default=list(SECTIONS))
    parser.add_argument(
        "--name", default="", help="measure only programs whose name contains this text"
    )
    parser.add_argument("--repeats", type=int, default=7, help="odd number of runs")
    parser.add_argument("--cpu", action="store_true", help="measure CPU seconds")
    parser.add_argument(
        "--tiny", action="store_true", help="use small sizes, for a trial"
    )
    flags = parser.parse_args()
    sizes = TINY if flags.tiny else FULL
    clock = time.process_time if flags.cpu else time.perf_counter
    unit = "CPU ms" if flags.cpu else "ms"
    table = Table(f"{unit}, jaxlib {jax.lib.__version__}", *FUSIONS)
    for section in flags.only:
        for label, function, arguments in SECTIONS[section](sizes):
            if flags.name not in label:
                continue
            calls = {k: compiled(function, arguments, v) for k, v in FUSIONS.items()}
            seconds = measure(calls, flags.repeats, clock)
            whole = seconds["all"]
            cells = (f"{1e3 * s:.2f}, {whole / s:.2f}x" for s in seconds.values())
            table.add_row(label, *cells)
        table.add_section()
    Console(width=160).print(table)


if __name__ == "__main__":
    main()
