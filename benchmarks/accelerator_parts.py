"""The sections of `accelerator.py` that need JAX alone: rows of measurements."""

import functools
import itertools
import json
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from counting import count_flop
from training_step import drawn

from styleflax import methods
from styleflax.config import Optimizer
from styleflax.inference.stylizer import Stylizer
from styleflax.methods.base import (
    Method,
    Variables,
    encode_painting,
    plain_controls,
    stylize,
)
from styleflax.methods.model import Model, build_model
from styleflax.models.vgg import VGG, scale_widths
from styleflax.parallel import make_put, map_step, replicate
from styleflax.training.device_dataset import DeviceImages, DevicePairs
from styleflax.training.step import create_state, make_optimizer, make_train_step
from styleflax.weights.store import find_model, load_model

Row = dict[str, Any]
DTYPES = ("bfloat16", "float32")
TRAINED = ("adain", "sanet", "lite", "johnson", "cin")
"""All methods but `cin_style`, whose step is that of `cin` with fewer gradients."""
AIMS = {"side": 512}
COMPARED = "adain, VGG-19, stylize"
"""The program whose speed is aimed at beside PyTorch's."""
COMPILERS = 8
"""Programs that are compiled at once."""
GIB = 2**30


class Sizes(NamedTuple):
    """How much is computed.

    Attributes:
        matmul: Side of the matrices.
        copy: Floats that are copied.
        sides: Sides of the images in px; the one of the aims first.
        batches: Pictures at once; the most telling number first.
        most_px: Pixels of all pictures at once.
        crop: Side of crops in training.
        pairs: Numbers of pairs in a step.
        large: Side of one large picture.
        compared: Side and number of pictures that PyTorch has, too.
        width: Factor on the channels of what is trained and compared.
        seconds: For which each program runs.
        dtypes: Compute types.
    """

    matmul: int
    copy: int
    sides: tuple[int, ...]
    batches: tuple[int, ...]
    most_px: int
    crop: int
    pairs: tuple[int, ...]
    large: int
    compared: tuple[int, int]
    width: float
    seconds: float
    dtypes: tuple[str, ...] = DTYPES


FULL = Sizes(
    *(8192, 2**28, (512, 256, 1024), (8, 1, 32), 32 * 512**2, 256, (16, 48), 2048),
    *((512, 8), 1.0, 0.5),
)
TINY = Sizes(
    *(64, 2**10, (32,), (1, 2), 2 * 32**2, 32, (2,), 48, (32, 1), 1 / 16, 0.0),
    dtypes=DTYPES[:1],
)


class Bench:
    """What the sections share, and the file of results.

    Args:
        sizes: How much is computed.
        weights: Names or files of models.
        trained: Names of methods whose training is timed.
        results: The results of all sections.
        out: Where `save` writes them.
    """

    def __init__(
        self,
        sizes: Sizes,
        weights: list[str],
        trained: list[str],
        results: dict[str, Any],
        out: Path,
    ) -> None:
        self.sizes, self.weights, self.trained = sizes, weights, trained
        self.results, self._out = results, out
        self.peak: float | None = None
        """FLOP/s of the bfloat16 matrix product, once it is measured."""

    def save(self) -> None:
        """Writes the results, whole or not at all."""
        aside = self._out.with_suffix(".part")
        aside.write_text(json.dumps(self.results, indent=1) + "\n", "utf-8")
        aside.replace(self._out)

    def speed(self, flop: float, seconds: float) -> Row:
        """TFLOP/s and their share of the peak."""
        rate = flop / seconds
        share = None if self.peak is None else round(rate / self.peak, 4)
        return {"tflop_per_s": round(rate / 1e12, 4), "share": share}

    def time(self, call: Callable[[], Any]) -> float:
        """Seconds of a call among many that are not waited for one by one."""
        jax.block_until_ready(call())
        started, count = time.perf_counter(), 0
        while True:
            for _ in range(max(count, 1)):  # twice as many each time
                result = call()
            jax.block_until_ready(result)
            count += max(count, 1)
            spent = time.perf_counter() - started
            if spent >= self.sizes.seconds:
                return spent / count


def compiled(function: Callable, *arguments: Any) -> tuple[Callable, float]:
    """A program, and the seconds of its compilation."""
    started = time.perf_counter()
    program = jax.jit(function).lower(*arguments).compile()
    return program, round(time.perf_counter() - started, 2)


def device_gib() -> float | None:
    """The device's memory that programs may have; None where it does not tell."""
    statistics = jax.devices()[0].memory_stats() or {}
    limit = statistics.get("bytes_limit")
    return None if limit is None else round(limit / GIB, 3)


def program_gib(program: jax.stages.Compiled) -> float:
    """The most memory that a program has at once: arguments, results and between."""
    sizes = program.memory_analysis()
    total = sizes.argument_size_in_bytes + sizes.output_size_in_bytes
    total += sizes.temp_size_in_bytes - sizes.alias_size_in_bytes
    return round(total / GIB, 3)


def describe(error: Exception) -> str:
    """An error in one line."""
    return f"{type(error).__name__}: {str(error).partition(chr(10))[0][:200]}"


def attempt(known: Row, measure: Callable[[], Row]) -> Row:
    """A row of what is known and measured; or why it could not be measured."""
    try:
        return known | measure()
    except Exception as error:  # as too large a batch
        return known | {"error": describe(error)}


def device_rows(bench: Bench) -> Iterator[Row]:
    """The ceilings: matrix products and a copy."""
    yield {"name": "memory, GiB", "value": device_gib()}
    side = bench.sizes.matmul
    for dtype, precision in (*((d, None) for d in DTYPES), ("float32", "highest")):
        x = jax.random.normal(jax.random.key(0), (side, side), dtype)
        product, _ = compiled(lambda x, p=precision: jnp.matmul(x, x, precision=p), x)
        rate = 2 * side**3 / bench.time(lambda f=product, x=x: f(x))
        if dtype == "bfloat16":
            bench.peak = rate
        name = f"matmul {dtype} {precision or ''}, TFLOP/s".replace(" ,", ",")
        yield {"name": name, "value": round(rate / 1e12, 4)}
    numbers = jnp.zeros(bench.sizes.copy)
    copy, _ = compiled(lambda x: x + 1, numbers)
    rate = 2 * numbers.nbytes / bench.time(lambda: copy(numbers))
    yield {"name": "copy, GB/s read and written", "value": round(rate / 1e9, 2)}


class Work(NamedTuple):
    """A program to be measured: what is known of it, the function, its arguments."""

    known: Row
    function: Callable
    arguments: tuple


def stylize_rows(bench: Bench) -> Iterator[Row]:
    """Pictures a second of every model: sizes, types, batches, style kept or not.

    All sizes and models come with the first number of pictures and in bfloat16 first,
    since the time may not suffice for all.
    """
    sizes = bench.sizes
    prepare = functools.cache(_prepare)
    for batch, dtype in itertools.product(sizes.batches, sizes.dtypes):
        works: list[Work] = []
        for side, name in itertools.product(sizes.sides, bench.weights):
            if batch * side**2 <= sizes.most_px:
                known = {"weights": Path(name).stem, "side": side, "dtype": dtype}
                prepared = prepare(name, dtype, side)
                works += _works(*prepared, known | {"batch": batch})
        yield from _measured(bench, works)


def _prepare(
    name: str, dtype: str, side: int
) -> tuple[Model, dict[str, jax.Array], Any]:
    """A model, a style's input and what it is encoded to."""
    model = build_model(load_model(find_model(name)), dtype)
    painting = jax.random.uniform(jax.random.key(1), (1, side, side, 3))
    inputs = _style_input(model.method, painting)
    encode = jax.jit(functools.partial(encode_painting, model.method))
    return model, inputs, encode(*model[1:], inputs)


def _works(
    model: Model, inputs: dict[str, jax.Array], style: Any, known: Row
) -> Iterator[Work]:
    method, batch, side = model.method, known["batch"], known["side"]
    contents = jax.random.uniform(jax.random.key(2), (batch, side, side, 3))

    def kept(variables, frozen, contents, style):
        return stylize(method, variables, frozen, contents, [style], plain_controls())

    def whole(variables, frozen, contents, inputs):
        style = encode_painting(method, variables, frozen, inputs)
        return kept(variables, frozen, contents, style)

    yield Work(known | {"style": "kept"}, kept, (*model[1:], contents, style))
    if batch == 1:
        yield Work(known | {"style": "encoded"}, whole, (*model[1:], contents, inputs))


def _measured(bench: Bench, works: Sequence[Work]) -> Iterator[Row]:
    """Compiles programs side by side, then times one after the other."""
    with ThreadPoolExecutor(COMPILERS) as pool:
        made = [pool.submit(compiled, w.function, *w.arguments) for w in works]
        wait(made)
    for work, future in zip(works, made, strict=True):

        def measure(work: Work = work, future: Any = future) -> Row:
            program, compile_s = future.result()
            seconds = bench.time(lambda: program(*work.arguments))
            return {
                "pictures_per_s": round(work.known["batch"] / seconds, 3),
                **bench.speed(count_flop(work.function, *work.arguments), seconds),
                "compile_s": compile_s,
                "memory_gib": program_gib(program),
            }

        yield attempt(work.known, measure)


def _style_input(method: Method, image: jax.Array) -> dict[str, jax.Array]:
    if method.styles:
        return {"style_index": jnp.zeros(1, jnp.int32)}
    return {"image": image}


def large_rows(bench: Bench) -> Iterator[Row]:
    """One large picture by every model, whole."""
    for name in sorted(bench.weights, key=lambda name: "sanet" not in name):
        for dtype in bench.sizes.dtypes:
            side = bench.sizes.large
            known = {"weights": Path(name).stem, "side": side, "dtype": dtype}
            works = _works(*_prepare(name, dtype, side), known | {"batch": 1})
            yield from _measured(bench, [next(works)])


def stylizer_rows(bench: Bench) -> Iterator[Row]:
    """`Stylizer.__call__` from bytes to floats on the host, with the color step."""
    side, rng = bench.sizes.sides[0], np.random.default_rng(0)
    photo_u8, painting_u8 = rng.integers(0, 256, (2, side, side, 3), np.uint8)
    for name in bench.weights:

        def measure(name: str = name) -> Row:
            stylizer = Stylizer.load(name)
            style = stylizer.prepare_style(painting_u8)
            started = time.perf_counter()
            stylizer(photo_u8, style)
            first = time.perf_counter() - started
            seconds = bench.time(lambda: stylizer(photo_u8, style).array)
            return {"pictures_per_s": round(1 / seconds, 3), "first_s": round(first, 2)}

        yield attempt({"weights": Path(name).stem, "side": side}, measure)


def train_rows(bench: Bench) -> Iterator[Row]:
    """Pairs a second of the training loop's step, pictures on the device."""
    for pairs in bench.sizes.pairs:
        for dtype in bench.sizes.dtypes:
            for name in bench.trained:
                known = {"method": name, "crop": bench.sizes.crop, "pairs": pairs}
                known["dtype"] = dtype
                yield attempt(
                    known, lambda n=name, d=dtype, p=pairs: _step(bench, n, d, p)
                )


def _step(bench: Bench, name: str, dtype: str, pairs: int) -> Row:
    method = methods.build(name, dtype=dtype, width=bench.sizes.width)
    step, compile_s = _compile_step(method, bench.sizes.crop, pairs)
    loss = float(np.asarray(step.call()).ravel()[0])
    seconds = bench.time(step.call)
    return {
        "pairs_per_s": round(pairs / seconds, 3),
        **bench.speed(step.flop, seconds),
        "compile_s": compile_s,
        "memory_gib": program_gib(step.program),
        "first_loss": round(loss, 4),
    }


def time_step(method: Method, crop: int, pairs: int) -> tuple[float, float]:
    """Seconds of a training step, and of its compilation."""
    step, compile_s = _compile_step(method, crop, pairs)
    jax.block_until_ready(step.call())
    count, started = 5, time.perf_counter()
    for _ in range(count):
        loss = step.call()
    jax.block_until_ready(loss)
    return (time.perf_counter() - started) / count, compile_s


class Step(NamedTuple):
    """A training step: the next one's loss, the program, its operations."""

    call: Callable[[], Any]
    program: jax.stages.Compiled
    flop: float


def _compile_step(method: Method, crop: int, pairs: int) -> tuple[Step, float]:
    """The loop's step with parameters as drawn, and the seconds of its compilation."""
    devices = jax.devices()[:1]
    begun = jax.eval_shape(method.init, jax.random.key(0))
    ones = jax.tree.map(lambda leaf: np.ones(leaf.shape, leaf.dtype), begun.state)
    first = Variables(drawn(lambda: begun.players), ones)
    method = method._replace(init=lambda _: first)
    layers = method.judge_layers or method.encoder_layers
    encoder = VGG(layers, widths=scale_widths(method.encoder_width))
    params = drawn(encoder.init, jax.random.key(0), jnp.zeros((1, 16, 16, 3)))
    frozen = replicate({"encoder": params["params"]}, devices)
    optimizer = make_optimizer(Optimizer())
    step = make_train_step(method, optimizer, lambda _: jnp.float32(1e-6))
    mapped = map_step(step, devices, "shard_map")
    put = make_put(devices, "shard_map")
    batches = _held(method, crop, pairs)
    states = [replicate(create_state(method, optimizer, 0), devices)]
    given = (states[0], frozen, put(next(batches)))
    flop = count_flop(mapped, *given)
    started = time.perf_counter()
    program = jax.jit(mapped, donate_argnums=0).lower(*given).compile()
    compile_s = round(time.perf_counter() - started, 2)

    def call() -> Any:
        state, metrics = program(states.pop(), frozen, put(next(batches)))
        states.append(state)
        return metrics["loss"]

    return Step(call, program, flop), compile_s


def _held(method: Method, crop: int, pairs: int) -> Iterator[Any]:
    """Batches of random pictures that lie on the device."""
    side = 3 * crop // 2

    def hold(count: int, side: int) -> DeviceImages:
        rng = np.random.default_rng(count)
        images_u8 = rng.integers(0, 256, (count, side, side, 3), np.uint8)
        sizes = np.full((count, 2), side)
        return DeviceImages(jax.device_put(images_u8), sizes, np.arange(count))

    own = len(method.styles)
    style = hold(own, crop) if own else hold(2 * pairs, side)
    options = {"batch_size": pairs, "seed": 0, "flip": True, "fixed_styles": own > 0}
    content = hold(2 * pairs, side)
    return DevicePairs(content, style, crop_px=crop, **options).iterate()
