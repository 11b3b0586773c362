"""AdaIN's whole network against plain JAX and PyTorch, side by side in one process.

    python benchmarks/speed.py [--only stylize|train|step]

VGG-19 to relu4_1 on a content and a style, AdaIN, and the decoder, with random
weights in float32. `stylize` is one picture of 512 px; `train` is the gradient step
of the decoder on four crops of 128 px, with the losses of Huang and Belongie; `step` is
the training loop's own step on the same, from bytes, with clipping and Adam. Plain JAX
pads by `jnp.pad`, upsamples before it convolves and pools by `reduce_window`, under the
same compiler options. PyTorch (not a dependency; left out if absent) runs eagerly in
its default layout and in channels_last. All run in turn, the median of seven counts;
nothing else should run meanwhile. Where it must, `--cpu` counts the process's CPU
seconds (with OMP_WAIT_POLICY=PASSIVE, or PyTorch's threads count while they wait).
"""

import argparse
import importlib.util
import sys
import time
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import linen as nn
from jax import lax
from timing import MATMUL_GFLOP, Call, jitted, matmul_call, measure

from styleflax.config import Optimizer
from styleflax.losses.perceptual import mean_std_loss, mse_loss
from styleflax.methods.adain import make_adain
from styleflax.methods.base import Method, Variables
from styleflax.models.vgg import DECODER_LAYERS, UPSAMPLED, VGG, Decoder, conv_names
from styleflax.ops.statistics import adain, channel_mean_std
from styleflax.parallel import make_put, map_step, replicate
from styleflax.training.step import create_state, make_optimizer, make_train_step

Tree = Any
STYLE_LAYERS = ("relu1_1", "relu2_1", "relu3_1", "relu4_1")
ENCODER = VGG(STYLE_LAYERS, "vgg19", "normalised")
LEARNING_RATE = 1e-4
# How many times faster than the alternative, at least.
BARS = {
    "stylize": {"PyTorch": 1.4, "PyTorch channels_last": 1.1},
    "train": {"PyTorch": 1.1, "PyTorch channels_last": 1.0},
    "step": {"PyTorch": 1.1, "PyTorch channels_last": 1.0},
}
SHAPES = {
    "stylize": (1, 512, 512, 3),
    "train": (4, 128, 128, 3),
    "step": (4, 128, 128, 3),
}


def plain_conv(layer: Tree, x: jax.Array) -> jax.Array:
    """The convolution as one would first write it."""
    x = jnp.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)), mode="reflect")
    layout = ("NHWC", "HWIO", "NHWC")
    y = lax.conv_general_dilated(
        x, layer["kernel"], (1, 1), "VALID", dimension_numbers=layout
    )
    return y + layer["bias"]


def plain_encode(params: Tree, x: jax.Array) -> dict[str, jax.Array]:
    """What `VGG` computes."""
    first = params["preprocess"]
    x = x @ first["kernel"][0, 0] + first["bias"]
    features = {}
    for name in conv_names("vgg19")[:9]:
        if name.endswith("_1") and name != "conv1_1":
            x = nn.max_pool(x, (2, 2), (2, 2))
        x = nn.relu(plain_conv(params[name], x))
        features[name.replace("conv", "relu")] = x
    return {layer: features[layer] for layer in STYLE_LAYERS}


def plain_decode(params: Tree, x: jax.Array) -> jax.Array:
    """What `Decoder` computes."""
    for name in DECODER_LAYERS:
        if name in UPSAMPLED:
            x = jnp.repeat(jnp.repeat(x, 2, axis=1), 2, axis=2)
        x = plain_conv(params[name], x)
        x = x if name == "conv1_1" else nn.relu(x)
    return x


def encode(params: Tree, x: jax.Array) -> dict[str, jax.Array]:
    """The library's encoder."""
    return ENCODER.apply({"params": params}, x)


def decode(params: Tree, x: jax.Array) -> jax.Array:
    """The library's decoder."""
    return Decoder().apply({"params": params}, x)


def make_stylize(encode: Callable, decode: Callable) -> Callable:
    """`stylize(encoder, decoder, content, style)` by these two networks."""

    def stylize(encoder: Tree, decoder: Tree, content: jax.Array, style: jax.Array):
        statistics = channel_mean_std(encode(encoder, style)["relu4_1"])
        target = adain(encode(encoder, content)["relu4_1"], *statistics)
        return decode(decoder, target)

    return stylize


def make_train(encode: Callable, decode: Callable) -> Callable:
    """`train(encoder, decoder, content, style)`: the decoder after one SGD step."""

    def train(encoder: Tree, decoder: Tree, content: jax.Array, style: jax.Array):
        features = encode(encoder, style)
        targets = {layer: channel_mean_std(x) for layer, x in features.items()}
        target = adain(encode(encoder, content)["relu4_1"], *targets["relu4_1"])

        def loss(decoder: Tree) -> jax.Array:
            stylized = encode(encoder, decode(decoder, target))
            content_loss = mse_loss(stylized["relu4_1"], target)
            return content_loss + sum(
                mean_std_loss(stylized[k], target) for k, target in targets.items()
            )

        value, gradient = jax.value_and_grad(loss)(decoder)
        step = jax.tree.map(lambda p, g: p - LEARNING_RATE * g, decoder, gradient)
        return step, value

    return train


def gflop(task: str) -> float:
    """Floating-point operations of the convolutions as written, in 1e9.

    As counted by XLA in the compiled plain program without the work on borders:
    two a multiplication and addition, upsampled layers at the high resolution.
    """
    batch, height, width, _ = SHAPES[task]

    def total(widths: list[tuple[int, int, int]]) -> float:
        each = (18.0 * i * o / 4**halvings for i, o, halvings in widths)
        return 1e-9 * batch * height * width * sum(each)

    encoder_names = conv_names("vgg19")[:9]
    outputs = [64, 64, 128, 128, 256, 256, 256, 256, 512]
    inputs = [3, *outputs[:-1]]
    depths = [int(name[4]) - 1 for name in encoder_names]
    encode = total(list(zip(inputs, outputs, depths, strict=True)))
    decode = total(list(zip(outputs[::-1], inputs[::-1], depths[::-1], strict=True)))
    if task == "stylize":
        return 2 * encode + decode
    # Forward three times, then the gradient through the encoder to its input, and
    # through the decoder to its inputs (but the first layer's) and its kernels.
    first = total([(512, 256, 3)])
    return 3 * encode + decode + encode + 2 * decode - first


def step_program(
    encoder: Tree, decoder: Tree, content: jax.Array, style: jax.Array, method: Method
) -> tuple[Callable, tuple]:
    """The training loop's step of that method, from bytes, and its arguments."""
    own = jax.tree.map(jnp.array, decoder)  # a copy, which the first step takes away
    method = method._replace(init=lambda _: Variables({"model": own}, {}))
    optimizer = make_optimizer(Optimizer())
    step = make_train_step(method, optimizer, lambda _: jnp.float32(LEARNING_RATE))
    devices = jax.devices()[:1]
    state = replicate(create_state(method, optimizer, 0), devices)
    frozen = replicate({"encoder": encoder}, devices)
    pictures = {"content": content, "style": style}
    batch = {name: np.uint8(np.rint(255 * x)) for name, x in pictures.items()}
    return map_step(step, devices), (state, frozen, make_put(devices)(batch))


def repeated(step: Callable, state: Tree, frozen: Tree, batch: Tree) -> Call:
    """A call of a step that moves its own state."""
    states = [state]

    def call() -> None:
        state, metrics = step(states.pop(), frozen, batch)
        states.append(state)
        jax.block_until_ready(metrics)

    return call


def jax_calls(task: str, arguments: tuple) -> dict[str, Call]:
    """The library's and the plain formulation of a task, compiled."""
    if task == "step":
        step, given = step_program(*arguments, make_adain())
        return {"styleflax": repeated(step, *given)}
    make = make_stylize if task == "stylize" else make_train
    ours, plain = make(encode, decode), make(plain_encode, plain_decode)
    return {
        "styleflax": jitted(ours, *arguments),
        "plain JAX": jitted(plain, *arguments),
    }


def run(task: str, repeats: int, clock: Callable[[], float]) -> bool:
    """Prints one task's table; returns whether all its bars are met."""
    shape = SHAPES[task]
    keys = jax.random.split(jax.random.key(0), 4)
    encoder = ENCODER.init(keys[0], jnp.zeros((1, 16, 16, 3)))["params"]
    decoder = Decoder().init(keys[1], jnp.zeros((1, 2, 2, 512)))["params"]
    # The untrained encoder as if normalized: pixels of 255 would drown the losses.
    encoder["preprocess"] = jax.tree.map(lambda x: x / 255, encoder["preprocess"])
    content, style = (jax.random.uniform(key, shape) for key in keys[2:])
    arguments = (encoder, decoder, content, style)
    calls = {"matmul": matmul_call()} | jax_calls(task, arguments)
    if importlib.util.find_spec("torch"):
        from torch_network import torch_calls  # noqa: PLC0415, only where present

        calls |= torch_calls(task, arguments, STYLE_LAYERS, LEARNING_RATE)
    seconds = measure(calls, repeats, clock)
    peak = MATMUL_GFLOP / seconds.pop("matmul")
    size = f"{shape[0]} x {shape[1]} px, {gflop(task):.0f} GFLOP"
    print(f"\n{task} {size}; matmul peak {peak:.0f} GFLOP/s")
    print(f"  {'':24}{'s':>8}{'GFLOP/s':>9}{'of matmul':>11}{'ours':>8}{'bar':>7}")
    met = True
    for name, value in seconds.items():
        ratio, bar = value / seconds["styleflax"], BARS[task].get(name)
        rate = gflop(task) / value
        verdict = f"{bar:>6.2f}x {'met' if ratio >= bar else 'MISSED'}" if bar else ""
        met &= not bar or ratio >= bar
        shares = f"{value:>8.3f}{rate:>9.0f}{rate / peak:>10.0%}{ratio:>8.2f}x"
        print(f"  {name:24}{shares} {verdict}")
    return met


def main() -> int:
    """Runs the tasks; the exit code is 1 where a bar is missed."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--only", choices=sorted(BARS))
    parser.add_argument("--repeats", type=int, default=7, help="odd number of runs")
    parser.add_argument("--cpu", action="store_true", help="measure CPU seconds")
    flags = parser.parse_args()
    only = flags.only
    clock = time.process_time if flags.cpu else time.perf_counter
    print(f"{jax.devices()[0].device_kind}, float32")
    results = [run(task, flags.repeats, clock) for task in BARS if only in {None, task}]
    if not importlib.util.find_spec("torch"):
        print("\nPyTorch is not installed: its bars are not tested.")
    return 0 if all(results) else 1


if __name__ == "__main__":
    sys.exit(main())
