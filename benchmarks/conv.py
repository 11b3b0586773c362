"""Every layer's convolution, forward and both gradients: the library's against plain.

    python benchmarks/conv.py [--task stylize|train] [--repeats 7]

The plain formulation pads by `jnp.pad`, upsamples first and convolves without zero
padding; both are compiled, run in turn, and the median counts. GFLOP/s are those of
the plain formulation's operations, so that the library's show what the user gains;
they can exceed the matmul peak after upsampling, where it needs 4/9 of them.
"""

import argparse
from collections.abc import Callable

import jax
import jax.numpy as jnp
from jax import lax
from timing import MATMUL_GFLOP, jitted, matmul_call, measure

from styleflax.ops.conv import conv3x3_reflect, upsample_conv3x3_reflect

# Side of the output as a share of the picture's, channels in and out, upsampled.
LAYERS = {
    "conv1_1": (1, 3, 64, False),
    "conv1_2": (1, 64, 64, False),
    "conv2_1": (2, 64, 128, False),
    "conv2_2": (2, 128, 128, False),
    "conv3_1": (4, 128, 256, False),
    "conv3_2": (4, 256, 256, False),
    "conv4_1": (8, 256, 512, False),
    "decoder 4_1": (8, 512, 256, False),
    "decoder 3_4": (4, 256, 256, True),
    "decoder 3_1": (4, 256, 128, False),
    "decoder 2_2": (2, 128, 128, True),
    "decoder 2_1": (2, 128, 64, False),
    "decoder 1_2": (1, 64, 64, True),
    "decoder 1_1": (1, 64, 3, False),
}
PICTURES = {"stylize": (1, 512), "train": (4, 128)}


def plain(x: jax.Array, kernel: jax.Array, bias: jax.Array) -> jax.Array:
    """The convolution as one would first write it."""
    x = jnp.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)), mode="reflect")
    layout = ("NHWC", "HWIO", "NHWC")
    y = lax.conv_general_dilated(x, kernel, (1, 1), "VALID", dimension_numbers=layout)
    return y + bias


def plain_upsampled(x: jax.Array, kernel: jax.Array, bias: jax.Array) -> jax.Array:
    """The same after nearest upsampling."""
    return plain(jnp.repeat(jnp.repeat(x, 2, axis=1), 2, axis=2), kernel, bias)


def pulled_back(function: Callable, argument: int) -> Callable:
    """`f(x, kernel, bias, cotangent)`: the gradient for one argument alone."""

    def gradient(*operands: jax.Array) -> jax.Array:
        *arguments, cotangent = operands
        _, pull = jax.vjp(function, *arguments)
        return pull(cotangent)[argument]

    return gradient


def forward(function: Callable) -> Callable:
    """`f(x, kernel, bias, cotangent)`: the value, with the ReLU that follows."""
    return lambda *operands: jax.nn.relu(function(*operands[:3]))


def time_layer(task: str, layer: str, repeats: int) -> str:
    """One row of the table."""
    batch, picture = PICTURES[task]
    divisor, i, o, upsampled = LAYERS[layer]
    side = picture // divisor
    low = side // 2 if upsampled else side
    keys = jax.random.split(jax.random.key(0), 4)
    shapes = [(batch, low, low, i), (3, 3, i, o), (o,), (batch, side, side, o)]
    pairs = zip(keys, shapes, strict=True)
    operands = [jax.random.normal(key, shape) for key, shape in pairs]
    ours = upsample_conv3x3_reflect if upsampled else conv3x3_reflect
    reference = plain_upsampled if upsampled else plain
    calls = {"matmul": matmul_call()}
    for name, f in {"ours": ours, "plain": reference}.items():
        calls[f"{name} forward"] = jitted(forward(f), *operands)
        if task == "train":
            calls[f"{name} input"] = jitted(pulled_back(f, 0), *operands)
            calls[f"{name} kernel"] = jitted(pulled_back(f, 1), *operands)
    seconds = measure(calls, repeats)
    gflop = 18e-9 * i * o * batch * side**2
    row = f"{layer:12}{side:>5}{i:>5}{o:>5}{MATMUL_GFLOP / seconds['matmul']:>8.0f}"
    for part in ("forward", "input", "kernel"):
        if f"ours {part}" in seconds:
            a, b = seconds[f"ours {part}"], seconds[f"plain {part}"]
            row += f"  |{gflop / a:>6.0f}{gflop / b:>7.0f}{b / a:>7.2f}x"
    return row


def main() -> None:
    """Prints a table for each task."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--task", choices=sorted(PICTURES))
    parser.add_argument("--repeats", type=int, default=7, help="an odd number")
    flags = parser.parse_args()
    for task, (batch, side) in PICTURES.items():
        if flags.task not in {None, task}:
            continue
        print(f"\n{task}: {batch} x {side} px, GFLOP/s of ours, of plain, and ratio")
        parts = ("forward", "input gradient", "kernel gradient")
        shown = parts if task == "train" else parts[:1]
        heads = "".join(f"  |{part:>21}" for part in shown)
        print(f"{'layer':12}{'side':>5}{'in':>5}{'out':>5}{'matmul':>8}{heads}")
        for layer in LAYERS:
            print(time_layer(task, layer, flags.repeats), flush=True)


if __name__ == "__main__":
    main()
