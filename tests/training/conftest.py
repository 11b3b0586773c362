"""A method of few parameters and pictures in memory: runs that take seconds."""

import io
import logging

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.experimental.compilation_cache.compilation_cache import reset_cache
from PIL import Image

from styleflax import methods
from styleflax.config import Config, Optimizer, Phase, Run, Schedule
from styleflax.methods.base import Method, Variables
from styleflax.training import loop
from styleflax.weights.registry import EncoderSpec
from styleflax.weights.store import ModelFile, save_model

WIDTH = 16


@pytest.fixture(scope="session", autouse=True)
def compilation_cache(tmp_path_factory):
    """Compiles what many runs share once; results stay the same to the bit."""
    settings = {
        "jax_compilation_cache_dir": str(tmp_path_factory.mktemp("compiled")),
        "jax_persistent_cache_min_compile_time_secs": 0.0,
        "jax_persistent_cache_min_entry_size_bytes": -1,
    }
    before = {name: getattr(jax.config, name) for name in settings}
    for name, value in settings.items():
        jax.config.update(name, value)
    reset_cache()
    yield
    for name, value in before.items():
        jax.config.update(name, value)
    reset_cache()


def make_tiny(losses, arithmetic=None, dtype=jnp.float32):
    """Maps the colours of contents to those of styles, with some noise.

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


@pytest.fixture
def tiny_config():
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


@pytest.fixture
def pictures():
    """(contents, styles) as encoded pictures; a test may change the lists."""
    rng = np.random.default_rng(0)
    noise = rng.integers(0, 255, (2, 8, 16, 16, 3), np.uint8)
    return [png(p) for p in noise[0]], [png(p) for p in noise[1]]


@pytest.fixture
def tiny_method(monkeypatch):
    monkeypatch.setitem(methods.METHODS, "tiny", make_tiny)
    return make_tiny


@pytest.fixture
def train_tiny(monkeypatch, tiny_method, pictures):
    """`train(config, workdir)` without data sets and without VGG."""
    monkeypatch.setattr(loop, "open_sources", lambda config: pictures)

    def train(config, workdir, make_sampler=None):
        path = workdir / "encoder.safetensors"
        if not path.exists():
            workdir.mkdir(parents=True, exist_ok=True)
            params = {"scale": np.float32([1.5])}
            spec = EncoderSpec("vgg16", "torchvision")
            save_model(path, ModelFile("tiny", spec, params, {}, {}, {}, {}))
        return jax.device_get(loop.train(config, workdir, make_sampler))

    return train


@pytest.fixture
def warnings_logged(caplog):
    """Text of the warnings so far."""
    caplog.set_level(logging.WARNING)
    return lambda: "\n".join(record.getMessage() for record in caplog.records)
