"""The networks in JAX and in PyTorch, in one run, for `accelerator.py`."""

import functools
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import torch
import torch_network
from accelerator_parts import (
    COMPARED,
    COMPILERS,
    DTYPES,
    Bench,
    Row,
    attempt,
    compiled,
    describe,
)
from counting import count_flop
from speed import repeated, step_program
from timing import Call, measure
from torch_methods import NETWORKS
from training_step import drawn

from styleflax import methods
from styleflax.methods.adain import STYLE_LAYERS
from styleflax.methods.base import (
    Method,
    Variables,
    encode_painting,
    plain_controls,
    stylize,
)
from styleflax.methods.model import build_model
from styleflax.models.vgg import VGG, Decoder, scale_channels, scale_widths
from styleflax.ops.statistics import adain, channel_mean_std
from styleflax.weights.store import ModelFile, find_model, load_model

LAYER = "relu4_1"
LEARNING_RATE = 1e-4
EVEN = {"content": 1.0, "style": 1.0}
"""Losses as PyTorch's step has them."""
WAYS = {
    "eager float32 NCHW": (torch.contiguous_format, torch.float32, False),
    "eager bfloat16 channels_last": (torch.channels_last, torch.bfloat16, False),
    "compiled bfloat16 channels_last": (torch.channels_last, torch.bfloat16, True),
}
"""PyTorch's layouts and types, and whether it compiles."""


class Program(NamedTuple):
    """What both compute.

    Attributes:
        name: Its name.
        flop: Operations, as this library computes it.
        ours: The compiled call by compute type.
        theirs: PyTorch's call by layout, type and compiler's backend, if any.
    """

    name: str
    flop: Callable[[], float]
    ours: Callable[[str], Call]
    theirs: Callable[[torch.memory_format, torch.dtype, str], Call]


def compare(bench: Bench) -> Iterator[Row]:
    """Pictures, or pairs, a second: AdaIN, the model files', a step of training.

    What PyTorch compiles comes last, as it takes longest; but for the first program.
    """
    side, batch = bench.sizes.compared
    torch.backends.cudnn.benchmark = True  # XLA measures its convolutions, too,
    torch.set_float32_matmul_precision("high")  # and has the same float32 products
    arguments = draw_arguments(bench.sizes.width, batch, side)
    programs = [_stylizing(COMPARED, _published, torch_network.stylize, arguments)]
    for name in bench.weights:
        try:
            programs += _of_file(load_model(find_model(name)), arguments[2:])
        except Exception as error:  # the other programs do without the file
            yield {"program": name, "error": describe(error)}
    programs.append(_step(bench.sizes.width, arguments))
    # What it takes to start the compiler is longer than a trial.
    calls = list(_calls(programs, backend="inductor" if side >= 64 else "eager"))
    for program, name, make in sorted(calls, key=lambda row: _is_late(*row[:2])):
        known = {"program": program.name, "name": name, "side": side, "batch": batch}

        def timed(program: Program = program, make: Callable = make) -> Row:
            seconds = measure({"": make()})[""]
            rate = {"pictures_per_s": round(batch / seconds, 3)}
            return rate | bench.speed(program.flop(), seconds)

        yield attempt(known, timed)


def _is_late(program: Program, name: str) -> bool:
    return program.name != COMPARED and "compiled" in name


def _calls(
    programs: list[Program], backend: str
) -> Iterator[tuple[Program, str, Callable[[], Call]]]:
    with ThreadPoolExecutor(COMPILERS) as pool:
        ours = {
            (program.name, dtype): pool.submit(program.ours, dtype)
            for program in programs
            for dtype in DTYPES
        }
    for program in programs:
        for dtype in DTYPES:
            yield program, f"styleflax {dtype}", ours[program.name, dtype].result
        for name, (layout, dtype, compiles) in WAYS.items():
            given = layout, dtype, backend if compiles else ""
            yield program, f"PyTorch {name}", functools.partial(program.theirs, *given)


def draw_arguments(width: float, batch: int, side: int) -> tuple:
    """Parameters of VGG-19 and the decoder, and random contents and styles."""
    key = jax.random.key(0)
    encoder = VGG((LAYER,), "vgg19", "normalised", widths=scale_widths(width))
    channels = scale_channels(512, width)
    decoder = Decoder(width=width)
    params = (
        drawn(encoder.init, key, jnp.zeros((1, 16, 16, 3)))["params"],
        drawn(decoder.init, key, jnp.zeros((1, 2, 2, channels)))["params"],
    )
    images = (
        jax.random.uniform(k, (batch, side, side, 3)) for k in jax.random.split(key)
    )
    return (*jax.device_put(params), *images)


def _published(dtype: str) -> Callable[..., jax.Array]:
    def run(encoder, decoder, content, style):
        channels = decoder["conv4_1"]["kernel"].shape[2]
        network = VGG(
            *((LAYER,), "vgg19", "normalised", dtype),
            widths=scale_widths(channels / 512),
        )
        features = [
            network.apply({"params": encoder}, x)[LAYER] for x in (content, style)
        ]
        moved = adain(features[0], *channel_mean_std(features[1]))
        return Decoder(dtype, width=channels / 512).apply({"params": decoder}, moved)

    return run


def of_model(method: Method) -> Callable[..., jax.Array]:
    """`run(encoder, own, content, style)`: the method's pictures at strength 1."""

    def run(encoder, own, content, style):
        params = Variables({"model": own}, {}), {"encoder": encoder}
        kept = encode_painting(method, *params, {"image": style})
        return stylize(method, *params, content, [kept], plain_controls())

    return run


def _of_file(file: ModelFile, pictures: tuple) -> Iterator[Program]:
    """Contents in one painting, by a model file whose method PyTorch has, too."""
    if file.method in NETWORKS:
        contents, paintings = pictures
        params = file.encoder_params, file.players["model"]
        arguments = (*params, contents, paintings[:1])

        def make(dtype: str) -> Callable:
            return of_model(build_model(file, dtype).method)

        network = NETWORKS[file.method]
        yield _stylizing(f"{file.method}, stylize", make, network, arguments)


def _stylizing(
    name: str, make: Callable[[str], Callable], network: Callable, arguments: tuple
) -> Program:
    def ours(dtype: str) -> Call:
        given = jax.device_put(arguments)
        program, _ = compiled(make(dtype), *given)
        return lambda: jax.block_until_ready(program(*given))

    def theirs(layout: torch.memory_format, dtype: torch.dtype, backend: str) -> Call:
        given = converted(arguments, layout, dtype)
        run = _maybe_compiled(network, backend)

        def call() -> None:
            with torch.inference_mode():
                run(given)
            _wait()

        return call

    def flop() -> float:
        return count_flop(make("float32"), *arguments)

    return Program(name, functools.cache(flop), ours, theirs)


def _step(width: float, arguments: tuple) -> Program:
    """A step of AdaIN's decoder, of a batch of pictures in as many styles."""

    def begun(dtype: str) -> tuple[Callable, tuple]:
        method = methods.build("adain", losses=EVEN, dtype=dtype, width=width)
        return step_program(*arguments, method)

    def ours(dtype: str) -> Call:
        step, given = begun(dtype)
        program = jax.jit(step, donate_argnums=0).lower(*given).compile()
        return repeated(program, *given)

    def theirs(layout: torch.memory_format, dtype: torch.dtype, backend: str) -> Call:
        given = converted(arguments, layout, torch.float32)
        adam = torch.optim.Adam(torch_network.trained(given), LEARNING_RATE)
        run = _maybe_compiled(torch_network.transfer_loss, backend)
        casts = dtype != torch.float32

        def find_loss(*all_given: Any) -> torch.Tensor:
            # Parameters stay in float32, as ours do.
            with torch.autocast(_device(), dtype, enabled=casts):
                return run(*all_given)

        def call() -> None:
            torch_network.train(given, STYLE_LAYERS, LEARNING_RATE, adam, find_loss)
            _wait()

        return call

    def flop() -> float:
        step, given = begun("float32")
        return count_flop(step, *given)

    return Program("adain, step", functools.cache(flop), ours, theirs)


def converted(arguments: Any, layout: torch.memory_format, dtype: torch.dtype) -> Any:
    """Parameters and pictures of JAX as PyTorch's, on the device."""
    return jax.tree.map(
        lambda x: torch_network.to_torch(x, layout).to(_device(), dtype), arguments
    )


def _maybe_compiled(function: Callable, backend: str) -> Callable:
    if not backend:
        return function
    return torch.compile(function, backend=backend, fullgraph=True)


def _device() -> str:
    return "cuda" if torch.cuda.is_available() else "cpu"


def _wait() -> None:
    if torch.cuda.is_available():
        torch.cuda.synchronize()
