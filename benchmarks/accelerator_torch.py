"""AdaIN with VGG-19 in JAX and in PyTorch, in one run, for `accelerator.py`."""

from collections.abc import Callable, Iterator
from typing import Any

import jax
import jax.numpy as jnp
import torch
import torch_network
from accelerator_parts import DTYPES, Bench, Row, compiled, describe
from counting import count_flop
from timing import measure
from training_step import drawn

from styleflax.models.vgg import VGG, Decoder, scale_channels, scale_widths
from styleflax.ops.statistics import adain, channel_mean_std

LAYER = "relu4_1"


def compare(bench: Bench) -> Iterator[Row]:
    """Pictures a second of content and style encoded, AdaIN and the decoder."""
    side, batch = bench.sizes.compared
    arguments = _arguments(bench.sizes.width, batch, side)
    calls: dict[str, Callable[[], Any]] = {}
    made = [*_jax_calls(arguments), *_torch_calls(arguments, tiny=side < 64)]
    for name, make in made:
        try:
            calls[name] = make()
            calls[name]()
        except Exception as error:  # as of the compiler
            calls.pop(name, None)
            yield {"name": name, "side": side, "batch": batch, "error": describe(error)}
    flop = count_flop(_stylize("float32"), *arguments)
    for name, seconds in measure(calls).items():
        rate = {"pictures_per_s": round(batch / seconds, 3)}
        known = {"name": name, "side": side, "batch": batch}
        yield known | rate | bench.speed(flop, seconds)


def _arguments(width: float, batch: int, side: int) -> tuple:
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


def _stylize(dtype: str) -> Callable[..., jax.Array]:
    def stylize(encoder, decoder, content, style):
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

    return stylize


def _jax_calls(arguments: tuple) -> Iterator[tuple[str, Callable]]:
    for dtype in DTYPES:

        def make(dtype: str = dtype) -> Callable[[], Any]:
            program, _ = compiled(_stylize(dtype), *arguments)
            return lambda: jax.block_until_ready(program(*arguments))

        yield f"styleflax {dtype}", make


def _torch_calls(arguments: tuple, *, tiny: bool) -> Iterator[tuple[str, Callable]]:
    device = "cuda" if torch.cuda.is_available() else "cpu"

    def wait() -> None:
        if device == "cuda":
            torch.cuda.synchronize()

    def converted(layout: torch.memory_format, dtype: torch.dtype) -> tuple:
        return jax.tree.map(
            lambda x: torch_network.to_torch(x, layout).to(device, dtype), arguments
        )

    def make(
        layout: torch.memory_format, dtype: torch.dtype, backend: str
    ) -> Callable[[], Any]:
        own = converted(layout, dtype)
        run = torch_network.stylize
        if backend:
            run = torch.compile(run, backend=backend)

        def call() -> None:
            run(own)
            wait()

        return call

    plain, last = torch.contiguous_format, torch.channels_last
    inductor = "" if tiny else "inductor"  # whose start takes longer than a trial
    for name, *how in (
        ("eager float32 NCHW", plain, torch.float32, ""),
        ("eager bfloat16 channels_last", last, torch.bfloat16, ""),
        ("compiled bfloat16 channels_last", last, torch.bfloat16, inductor),
    ):
        yield f"PyTorch {name}", lambda how=how: make(*how)
