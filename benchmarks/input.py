"""Pictures a second from the input pipeline against workers, and what a step needs.

    python benchmarks/input.py [--workers 0 1 2 4] [--picture_px 640 480] [--no-step]

Encoded JPEGs (quality 90, made here, read from memory) become batches of random
crops, as in training: content and style, shuffled, decoded, scaled, cropped. Worker
processes start before the clock does. The step is AdaIN's on VGG-16 with the losses
of `configs/adain.py`, on synthetic batches that are on the devices already, so that
its time is the arithmetic's alone: `need` is how many pictures it takes in a second,
and `keeps up` whether the pipeline has them. Nothing else should run meanwhile.
"""

import argparse
import io
import statistics
import time
from collections.abc import Sequence
from typing import Any

import jax
import numpy as np
from PIL import Image

from styleflax import methods
from styleflax.config import Optimizer
from styleflax.datasets.pipeline import make_pair_stream
from styleflax.models.vgg import cut_params
from styleflax.parallel import local_devices, make_put, map_step, replicate
from styleflax.training.step import create_state, make_optimizer, make_train_step
from styleflax.weights.packaged import load_packaged_vgg16

LOSSES = {"content": 1.0, "style": 5.0, "identity": 20.0}
NUM_PICTURES = 32


class MadePictures:
    """JPEGs of noise in several scales, which costs as much to decode as photographs.

    Worker processes make them again, from the same seed.
    """

    def __init__(self, width: int, height: int, seed: int) -> None:
        self._arguments = (width, height, seed)
        rng = np.random.default_rng(seed)
        self._encoded = [_jpeg(rng, width, height) for _ in range(NUM_PICTURES)]

    def __len__(self) -> int:
        return NUM_PICTURES

    def __getitem__(self, index: int) -> bytes:
        return self._encoded[index]

    def __reduce__(self) -> tuple[Any, ...]:
        return MadePictures, self._arguments


def _jpeg(rng: np.random.Generator, width: int, height: int) -> bytes:
    total = np.zeros((height, width, 3))
    for cell in (4, 16, 64):
        noise = rng.integers(0, 256, (height // cell + 1, width // cell + 1, 3))
        layer = Image.fromarray(noise.astype(np.uint8))
        total += np.asarray(layer.resize((width, height), Image.Resampling.BICUBIC))
    file = io.BytesIO()
    Image.fromarray((total / 3).astype(np.uint8)).save(file, "JPEG", quality=90)
    return file.getvalue()


def pipeline_rate(sources: Sequence[Any], options: Any, num_workers: int) -> float:
    """Pictures a second, the median over batches that come after the first ones."""
    stream = make_pair_stream(
        *sources,
        crop_px=options.crop_px,
        resize_px=2 * options.crop_px,
        batch_size=options.batch_size,
        seed=0,
        flip=True,
    )
    batches = stream.iterate(num_workers=num_workers, num_threads=options.num_threads)
    for _ in range(2 * max(num_workers, 1) + 4):  # what was read ahead
        next(batches)
    rates = []
    for _ in range(options.repeats):
        start = time.perf_counter()
        for _ in range(options.batches):
            next(batches)
        seconds = time.perf_counter() - start
        rates.append(2 * options.batch_size * options.batches / seconds)
    batches.close()  # type: ignore[attr-defined]
    return statistics.median(rates)


def step_need(options: Any) -> float:
    """Pictures a second that the train step takes on all local devices."""
    method = methods.build("adain", losses=LOSSES)
    devices = local_devices()
    optimizer = make_optimizer(Optimizer())
    step = make_train_step(method, optimizer, lambda _: 1e-4)
    mapped = map_step(step, devices)
    encoder = cut_params(load_packaged_vgg16(), method.encoder_layers)
    frozen = replicate({"encoder": encoder}, devices)
    state = replicate(create_state(method, optimizer, 0), devices)
    shape = (options.batch_size, options.crop_px, options.crop_px, 3)
    rng = np.random.default_rng(0)
    put = make_put(devices)
    batch = put(
        {k: rng.integers(0, 256, shape, np.uint8) for k in ("content", "style")}
    )
    times = []
    for _ in range(options.repeats + 1):
        start = time.perf_counter()
        for _ in range(options.steps):
            state, metrics = mapped(state, frozen, batch)
            if devices[0].platform == "cpu":
                jax.block_until_ready(metrics)
        jax.block_until_ready(metrics)
        times.append((time.perf_counter() - start) / options.steps)
    return 2 * options.batch_size / statistics.median(times[1:])


def main() -> None:
    """Prints a table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--workers", type=int, nargs="+", default=[0, 1, 2, 4])
    parser.add_argument("--picture_px", type=int, nargs=2, default=[640, 480])
    parser.add_argument("--crop_px", type=int, default=256)
    parser.add_argument("--batch_size", type=int, default=8)
    parser.add_argument("--num_threads", type=int, default=2)
    parser.add_argument("--batches", type=int, default=8, help="in a measurement")
    parser.add_argument("--steps", type=int, default=1, help="in a measurement")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--no-step", action="store_true")
    options = parser.parse_args()
    device = jax.local_devices()[0]
    print(f"{jax.local_device_count()} x {device.device_kind}, ", end="")
    print(f"crops of {options.crop_px} px, batches of {options.batch_size} pairs")
    need = None if options.no_step else step_need(options)
    if need is not None:
        print(f"the train step needs {need:.1f} pictures/s")
    sources = [MadePictures(*options.picture_px, seed) for seed in (0, 1)]
    for num_workers in options.workers:
        rate = pipeline_rate(sources, options, num_workers)
        kind = f"{num_workers} workers" if num_workers else "threads alone"
        verdict = ""
        if need is not None:
            share = rate / need
            verdict = f", {share:.1f} of the need: " + (
                "keeps up" if share >= 1 else "the step waits"
            )
        print(f"{kind}: {rate:.1f} pictures/s{verdict}", flush=True)


if __name__ == "__main__":
    main()
