"""A small run of the true training loop, for benchmarks/kills.py."""

import io
import json
import mmap
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from PIL import Image

from styleflax import methods
from styleflax.config import Config, Data, Phase, Run, Schedule
from styleflax.methods.base import Method, Variables
from styleflax.training import loop
from styleflax.training.checkpoint import Checkpoints, leaf_digests
from styleflax.weights.store import EncoderSpec, ModelFile, save_model

WIDTH, KEEP, STEPS = 512, 3, 14
STAGES = ("starting", "restoring", "stepping", "ended")
RESTORING, STEPPING, ENDED = 1, 2, 3
STAGE = mmap.mmap(-1, 1)
"""Where the child is, an index into STAGES; shared with it."""
PHASES = tuple(
    Phase(
        steps=STEPS,
        batch_size=4,
        crop_px=16,
        resize_px=24,
        losses={"noise": noise},
        schedule=Schedule(learning_rate=1e-3),
    )
    for noise in (0.0, 0.1)
)
CONFIG = Config(
    method="small",
    data=Data(content="memory", style="memory"),
    phases=PHASES,
    run=Run(checkpoint_every_steps=2, keep_checkpoints=KEEP, sample_every_steps=0),
)


def make_small(losses, **_) -> Method:
    """A perceptron from the colors of contents to those of styles."""

    def init(key):
        keys = jax.random.split(key, 3)
        shapes = ((3, WIDTH), (WIDTH, WIDTH), (WIDTH, 3))
        layers = [0.1 * jax.random.normal(k, s) for k, s in zip(keys, shapes)]  # noqa: B905
        return Variables({"model": {"layers": layers}}, {"seen": jnp.zeros(())})

    def loss(own, variables, frozen, batch, key):
        *hidden, last = own["layers"]
        x = batch["content"] * frozen["encoder"]["scale"]
        for weights in hidden:
            x = jnp.tanh(x @ weights)
        error = x @ last - batch["style"]
        error += losses["noise"] * jax.random.normal(key, error.shape)
        value = jnp.mean(error**2)
        return value, ({}, {"seen": variables.state["seen"] + 1})

    unused = dict.fromkeys(
        ("encode_style", "encode_content", "moments", "transfer", "decode", "tiling")
    )
    return Method(
        init, {"model": loss}, encoder_layers=(), controls=frozenset(), **unused
    )


def pictures(seed: int) -> list[bytes]:
    """Noise as PNG files."""
    encoded = []
    for pixels in np.random.default_rng(seed).integers(
        0, 256, (9, 32, 32, 3), np.uint8
    ):
        file = io.BytesIO()
        Image.fromarray(pixels).save(file, "PNG")
        encoded.append(file.getvalue())
    return encoded


def live(workdir: Path) -> None:
    """The life of a child: train, and write down what came of it."""
    methods.METHODS["small"] = make_small  # type: ignore[index]
    loop.open_sources = lambda *_: (pictures(1), pictures(2))
    report(Checkpoints, "restore_newest", RESTORING)
    report(loop, "_run_phases", STEPPING)
    encoder = workdir / "encoder.safetensors"
    if not encoder.exists():
        spec = EncoderSpec("vgg16", "torchvision")
        params = {"scale": np.float32([2.0])}
        save_model(encoder, ModelFile("small", spec, params, {}, {}, {}, {}))
    state = jax.device_get(loop.train(CONFIG, workdir))
    STAGE[0] = ENDED
    result = {
        "state": leaf_digests(state),
        "metrics": (workdir / "metrics.jsonl").read_text("utf-8"),
    }
    (workdir / "result.json").write_text(json.dumps(result))


def report(owner: object, name: str, stage: int) -> None:
    """Makes a function say when it begins."""
    function = getattr(owner, name)

    def reporting(*arguments):
        STAGE[0] = stage
        return function(*arguments)

    setattr(owner, name, reporting)
