"""Settings that must stand before JAX starts."""

import dataclasses
import gc
import os
from pathlib import Path

import pytest
from drawn_pictures import encode, make_picture, photo_folder  # noqa: F401
from quick_programs import quick_flags

# Two virtual CPU devices for the parallel tests; the larger thread pool keeps
# XLA's collectives from dead-locking on them (fixed in jax 0.12).
os.environ.setdefault("XLA_FLAGS", quick_flags(2))
os.environ.setdefault("NPROC", "32")
os.environ.setdefault("JAX_PLATFORMS", "cpu")
# Nothing of the tests goes into the cache of whoever runs them.
os.environ.setdefault("STYLEFLAX_COMPILATION_CACHE", "off")

import styleflax  # noqa: F401  (adds to the flags, which JAX's start ends)

PROGRAMS = Path(__file__).parents[1] / ".pytest_cache" / "jax"
"""Programs compiled by earlier runs; JAX names them by flags and versions, too."""

SETTINGS = {
    "jax_compilation_cache_dir": str(PROGRAMS),
    "jax_persistent_cache_min_compile_time_secs": 0.0,
    "jax_persistent_cache_min_entry_size_bytes": -1,
}
# For the processes that tests start, too.
os.environ |= {name.upper(): str(value) for name, value in SETTINGS.items()}


@pytest.fixture(scope="session", autouse=True)
def shared_programs():
    """Compiles what tests run only once, also between runs and worker processes."""
    import jax
    from jax.experimental.compilation_cache.compilation_cache import reset_cache

    before = {name: getattr(jax.config, name) for name in SETTINGS}
    for name, value in SETTINGS.items():
        jax.config.update(name, value)
    reset_cache()
    yield
    for name, value in before.items():
        jax.config.update(name, value)
    reset_cache()


def pytest_collection_finish():
    """Has the garbage collector look at what tests make, not at what is imported."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000)


GROWTH = 3 * 2**29
"""Bytes by which a worker may grow before it forgets its compiled programs."""


@pytest.fixture(scope="session")
def most_resident():
    """Bytes of this worker above which it forgets, in a list of one.

    What is forgotten is not all given back: the limit is above what remains.
    """
    return [2 * GROWTH]


@pytest.fixture(scope="module", autouse=True)
def forgotten_programs(most_resident):
    """Frees programs that earlier modules compiled, which JAX would keep to the end.

    They are read from the folder above where they are needed again. Without this a
    worker grows to 5 GB in the course of a whole run.
    """
    yield
    if resident_bytes() > most_resident[0]:
        import jax

        jax.clear_caches()
        gc.collect()
        most_resident[0] = max(2 * GROWTH, resident_bytes() + GROWTH)


def resident_bytes():
    """Memory of this process; 0 where the system does not tell."""
    path = Path("/proc/self/statm")
    pages = int(path.read_text().split()[1]) if path.exists() else 0
    return pages * os.sysconf("SC_PAGE_SIZE")


WIDTH = 1 / 16
"""Width of the model files below, by the public option."""


@pytest.fixture(scope="session")
def make_model_file(shared_programs):
    """`make(method, width=WIDTH)`: untrained, as a model file's.

    At width 1/16 its pictures are grays with some color, hardly clipped. The encoder is
    random, too, and that of SANet the same as AdaIN's but deeper; at width 1 it is
    torchvision's.
    """
    import jax
    import numpy as np

    from styleflax import methods
    from styleflax.config import Arithmetic
    from styleflax.models.vgg import VGG, cut_params, scale_widths
    from styleflax.weights.packaged import load_packaged_vgg16
    from styleflax.weights.store import EncoderSpec, ModelFile

    def drawn(shapes):
        rng = np.random.default_rng(7)

        def draw(leaf):  # He's initialisation; faster than Flax's, which compiles
            fan_in = max(int(np.prod(leaf.shape[:-1])), 1)
            scale = np.sqrt(2 / fan_in) if leaf.ndim > 1 else 0.1
            return (rng.standard_normal(leaf.shape) * scale).astype(np.float32)

        return jax.tree.map(draw, shapes)

    def make(name, width=WIDTH):
        method = methods.build(name, width=width)
        key = jax.random.key(0)
        params = drawn(jax.eval_shape(method.init, key).players)
        last = params["model"]["conv1_1"]
        last["kernel"] *= np.float32(2)
        last["bias"] += np.float32(0.5)
        if width == 1:
            encoder = cut_params(load_packaged_vgg16(), method.encoder_layers)
        else:
            network = VGG(method.encoder_layers, widths=scale_widths(width))
            image = jax.ShapeDtypeStruct((1, 16, 16, 3), "float32")
            encoder = drawn(jax.eval_shape(network.init, key, image)["params"])
        spec = EncoderSpec("vgg16", "torchvision")
        arithmetic = dataclasses.asdict(Arithmetic())
        notes, options = {"steps": 0}, method.options
        return ModelFile(
            name, spec, encoder, params, {}, arithmetic, notes, options=options
        )

    return make


@pytest.fixture(scope="session")
def model_file(make_model_file):
    """That of AdaIN."""
    return make_model_file("adain")


@pytest.fixture(scope="session")
def full_model_file(make_model_file):
    """The same at full width, as published files are."""
    return make_model_file("adain", 1.0)


@pytest.fixture(scope="session")
def model_path(model_file, tmp_path_factory):
    """That model on disk."""
    from styleflax.weights.store import save_model

    path = tmp_path_factory.mktemp("model") / "untrained.safetensors"
    save_model(path, model_file)
    return path


@pytest.fixture(scope="session")
def sanet_path(make_model_file, tmp_path_factory):
    """A model file of SANet."""
    from styleflax.weights.store import save_model

    path = tmp_path_factory.mktemp("model") / "sanet.safetensors"
    save_model(path, make_model_file("sanet"))
    return path


@pytest.fixture(scope="session")
def write_picture():
    """`write(path, height, width, seed=0)`: a smooth picture, as a file and array."""
    import numpy as np
    from PIL import Image

    def write(path, height=32, width=32, seed=0):
        rng = np.random.default_rng(seed)
        small = Image.fromarray(rng.integers(0, 256, (4, 4, 3), dtype=np.uint8))
        picture = small.resize((width, height), Image.Resampling.BICUBIC)
        path.parent.mkdir(parents=True, exist_ok=True)
        picture.save(path)
        return np.asarray(picture)

    return write
