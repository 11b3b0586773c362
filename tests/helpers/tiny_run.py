"""A method of few parameters, pictures in memory, and a frozen encoder for both."""

import io
from types import MappingProxyType

import jax
import jax.numpy as jnp
import numpy as np
from PIL import Image

from styleflax.config import Config, Optimizer, Phase, Run, Schedule
from styleflax.methods.base import Method, Variables
from styleflax.weights.store import EncoderSpec, ModelFile, save_model

WIDTH = 16


def make_config():
    """Two phases of six steps, a checkpoint every other step."""

    def phase(losses):
        return Phase(
            steps=6,
            batch_size=4,
            crop_px=16,
            resize_px=16,
            losses=losses,
            schedule=Schedule(learning_rate=1e-2),
        )

    return Config(
        method="tiny",
        phases=(phase({"plain": 1.0}), phase({"noise": 0.1})),
        optimizer=Optimizer(max_nonfinite_steps=3),
        run=Run(
            num_devices=1,
            checkpoint_every_steps=2,
            keep_checkpoints=3,
            sample_every_steps=0,
            tensorboard=False,
        ),
    )


def make_tiny(
    losses=MappingProxyType({"plain": 1.0}), arithmetic=None, dtype=jnp.float32
):
    """Maps the colors of contents to those of styles, with some noise.

    The loss is NaN where `losses` holds `nan` and a picture is white throughout.
    """

    def init(key):
        first, second = jax.random.split(key)
        model = {
            "inner": 0.5 * jax.random.normal(first, (3, WIDTH)),
            "outer": 0.5 * jax.random.normal(second, (WIDTH, 3)),
        }
        return Variables({"model": model}, {"seen": jnp.zeros(())})

    def loss(own, variables, frozen, batch, key):
        content = batch["content"].astype(dtype) * frozen["encoder"]["scale"]
        mapped = jnp.tanh(content @ own["inner"].astype(dtype))
        error = mapped @ own["outer"].astype(dtype) - batch["style"]
        if "noise" in losses:
            error += losses["noise"] * jax.random.normal(key, error.shape)
        value = jnp.mean(error.astype(jnp.float32) ** 2)
        if "nan" in losses:
            white = jnp.min(jnp.mean(batch["content"], (1, 2, 3)) < 1.0) == 0
            value = jnp.where(white, jnp.nan, 1.0) * value
        state = {"seen": variables.state["seen"] + 1}
        return value, ({"pixel_loss": value}, state)

    return Method(
        init=init,
        losses={"model": loss},
        encode_style=None,
        encode_content=None,
        moments=None,
        transfer=None,
        decode=None,
        encoder_layers=(),
        tiling=None,
        controls=frozenset(),
    )


def png(pixels_u8):
    file = io.BytesIO()
    Image.fromarray(pixels_u8).save(file, "PNG")
    return file.getvalue()


def make_pictures():
    """(contents, styles) as encoded pictures."""
    rng = np.random.default_rng(0)
    noise = rng.integers(0, 255, (2, 8, 16, 16, 3), np.uint8)
    return [png(p) for p in noise[0]], [png(p) for p in noise[1]]


def write_encoder(workdir):
    """The frozen part, where a run of the tiny method expects it."""
    path = workdir / "encoder.safetensors"
    if not path.exists():
        workdir.mkdir(parents=True, exist_ok=True)
        params = {"scale": np.float32([1.5])}
        spec = EncoderSpec("vgg16", "torchvision")
        save_model(path, ModelFile("tiny", spec, params, {}, {}, {}, {}))
