"""The training loop's own step on random pictures, for benchmarks."""

import argparse
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from timing import measure

from styleflax.config import Config, Data, Phase, Run
from styleflax.methods.base import Method
from styleflax.models.vgg import VGG, scale_widths
from styleflax.parallel import map_step, replicate
from styleflax.presets import PRESETS
from styleflax.training.phases import build_method
from styleflax.training.step import create_state, make_optimizer, make_train_step

LOSSES = {
    "adain": {"content": 1.0, "style": 10.0},
    "sanet": dict(PRESETS["sanet-public"].losses),
    "lite": {
        "content": 1.0,
        "gram": 4.0,
        "total_variation": 2.0,
        "out_of_range": 100.0,
    },
}


def drawn(init: Callable, *arguments: Any) -> Any:
    """Parameters as `init` would draw them, without compiling it."""
    rng = np.random.default_rng(0)

    def draw(leaf: Any) -> np.ndarray:
        scale = np.sqrt(2 / max(np.prod(leaf.shape[:-1]), 1))
        return np.float32(scale * rng.standard_normal(leaf.shape))

    return jax.tree.map(draw, jax.eval_shape(init, *arguments))


def make_run(
    options: argparse.Namespace, batch_size: int, *, native: bool = False
) -> tuple[Config, Method]:
    """A configuration and its method, of which `init` is cheap.

    `native` takes XLA's own convolutions, whose operations it can count.
    """
    phase = Phase(
        batch_size=batch_size,
        crop_px=options.crop,
        resize_px=2 * options.crop,
        losses=LOSSES[options.method],
    )
    width = getattr(options, "width", 1.0)
    given = {} if width == 1 else {"width": width}
    config = Config(
        method=options.method,
        compute_dtype=options.dtype,
        options=given | ({"native": True} if native else {}),
        data=Data(content="sample_photos", style="procedural_art"),
        phases=(phase,),
        run=Run(remat=options.remat, num_workers=options.workers),
    )
    method = build_method(config, phase)
    players = drawn(method.init, jax.random.key(0))
    return config, method._replace(init=lambda _: players)


def make_steps(
    config: Config, method: Method, devices: list[jax.Device]
) -> tuple[Callable, Any, Any]:
    """The loop's own step over devices, its first state and the frozen encoder."""
    optimizer = make_optimizer(config.optimizer)
    step = make_train_step(method, optimizer, lambda _: jnp.float32(1e-6))
    widths = scale_widths(method.encoder_width)
    encoder = VGG(method.judge_layers or method.encoder_layers, widths=widths)
    params = drawn(encoder.init, jax.random.key(0), jnp.zeros((1, 16, 16, 3)))
    frozen = replicate({"encoder": params["params"]}, devices)
    state = replicate(create_state(method, optimizer, 0), devices)
    return map_step(step, devices, "shard_map"), state, frozen


def random_batch(options: argparse.Namespace, size: int) -> dict[str, np.ndarray]:
    """Bytes, as the pipeline gives them."""
    shape = (size, options.crop, options.crop, 3)
    rng = np.random.default_rng(1)
    return {k: rng.integers(0, 256, shape, np.uint8) for k in ("content", "style")}


def step_flop(options: argparse.Namespace) -> float:
    """Returns the operations of one device's step, as XLA counts them."""
    config, method = make_run(options, options.batch, native=True)
    mapped, state, frozen = make_steps(config, method, jax.devices()[:1])
    batch = random_batch(options, options.batch)
    return jax.jit(mapped).lower(state, frozen, batch).cost_analysis()["flops"]


def matmul_peak(dtype: str, size: int = 8192) -> float:
    """FLOP/s of a square matrix product on one device."""
    x = jax.random.normal(jax.random.key(0), (size, size), dtype)
    program = jax.jit(jnp.matmul).lower(x, x).compile()
    seconds = measure({"": lambda: jax.block_until_ready(program(x, x))})[""]
    return 2 * size**3 / seconds
