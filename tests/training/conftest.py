"""A method of few parameters and pictures in memory: runs that take seconds."""

import logging

import jax
import pytest
from jax.experimental.compilation_cache.compilation_cache import reset_cache
from tiny_run import make_config, make_pictures, make_tiny, write_encoder

from styleflax import methods
from styleflax.training import loop


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


@pytest.fixture
def tiny_config():
    """Two phases of six steps, a checkpoint every other step."""
    return make_config()


@pytest.fixture
def pictures():
    """(contents, styles) as encoded pictures; a test may change the lists."""
    return make_pictures()


@pytest.fixture
def tiny_method(monkeypatch):
    monkeypatch.setitem(methods.METHODS, "tiny", make_tiny)
    return make_tiny


@pytest.fixture
def train_tiny(monkeypatch, tiny_method, pictures):
    """`train(config, workdir)` without data sets and without VGG."""
    monkeypatch.setattr(loop, "open_sources", lambda config: pictures)

    def train(config, workdir, make_sampler=None):
        write_encoder(workdir)
        return jax.device_get(loop.train(config, workdir, make_sampler))

    return train


@pytest.fixture
def warnings_logged(caplog):
    """Text of the warnings so far."""
    caplog.set_level(logging.WARNING)
    return lambda: "\n".join(record.getMessage() for record in caplog.records)
