"""Programs that are found again."""

import hashlib
import threading

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.experimental.compilation_cache import compilation_cache

from styleflax import memory
from styleflax.compile_cache import jit as kept
from styleflax.compile_cache.jit import RETRIEVED, cached_jit, cached_shapes

X = np.arange(6, dtype=np.float32).reshape(2, 3)


def scaled(factor, tree, shift):
    return {"sum": tree["x"] * factor + shift}


def make(static=(0,)):
    """As in a new process, which has nothing in memory."""
    return cached_jit(scaled, static)


def programs(folder):
    return sorted(folder.glob("*.program"))


@pytest.fixture
def events():
    """Names of what JAX's monitoring reports."""
    names = []

    def listen(name, _seconds, **_):
        names.append(name)

    jax.monitoring.register_event_duration_secs_listener(listen)
    yield names
    jax.monitoring.unregister_event_duration_listener(listen)


def compilations(events):
    return [name for name in events if name.startswith("/jax/core/compile/")]


def test_a_program_is_found_again_without_tracing(folder, events):
    assert (make()(3, {"x": X}, 1.0)["sum"] == X * 3 + 1).all()
    assert len(programs(folder)) == 1
    assert compilations(events)
    events.clear()
    again = make()
    assert (again(3, {"x": X}, 5.0)["sum"] == X * 3 + 5).all()
    assert (again(3, {"x": -X}, 5.0)["sum"] == 5 - X * 3).all()
    assert events == [RETRIEVED]
    assert len(programs(folder)) == 1


def test_what_changes_the_program_makes_another(folder):
    make()(3, {"x": X}, 1.0)
    make()(4, {"x": X}, 1.0)
    make()(3, {"x": X[:1]}, 1.0)
    make()(3, {"x": np.int32(X)}, 1.0)
    make()(3, {"x": X}, np.float32(1))
    make()(3, {"x": X, "y": X}, 1.0)
    function = make(())
    function(3, {"x": X}, 1.0)
    with jax.default_matmul_precision("highest"):
        function(3, {"x": X}, 1.0)
    assert len(programs(folder)) == 8


@pytest.mark.parametrize("damage", ["flip", "cut", "foreign", "empty"])
def test_a_damaged_program_is_made_anew(folder, damage):
    expected = make()(3, {"x": X}, 1.0)["sum"]
    (path,) = programs(folder)
    whole = path.read_bytes()
    foreign = b"no program"
    path.write_bytes(
        {
            "flip": whole[:-9] + bytes([whole[-9] ^ 1]) + whole[-8:],
            "cut": whole[: len(whole) // 2],
            "foreign": hashlib.sha256(foreign).digest() + foreign,
            "empty": b"",
        }[damage]
    )
    assert (make()(3, {"x": X}, 1.0)["sum"] == expected).all()
    content = path.read_bytes()
    assert hashlib.sha256(content[32:]).digest() == content[:32]
    assert len(content) == len(whole)
    assert len([*folder.iterdir()]) == 1


def test_without_a_folder_it_is_jit(tmp_path):
    function = cached_jit(lambda x: x + 1)
    assert (function(X) == X + 1).all()
    assert function._cache_size() == 1
    assert not programs(tmp_path)


def test_where_nothing_can_be_written_nothing_is(folder):
    folder.rmdir()
    assert (make()(3, {"x": X}, 1.0)["sum"] == X * 3 + 1).all()
    assert not folder.exists()


def test_inside_of_other_programs_and_elsewhere_it_is_jit(folder):
    function = cached_jit(jnp.sin)
    inside = jax.jit(lambda x: function(x) + 1)(X)
    assert np.allclose(inside, np.sin(X) + 1)
    far = jax.device_put(X, jax.devices()[1])
    assert function(far).devices() == far.devices()
    assert np.allclose(jax.vmap(function)(X), np.sin(X))
    assert not programs(folder)


def test_functions_that_hold_arrays_are_compiled_and_not_kept(folder):
    held = jnp.asarray(X)
    for _ in range(2):
        assert (cached_jit(lambda x: x + held)(X) == 2 * X).all()
    assert not programs(folder)


def test_threads_share_a_program(folder):
    function, results = make(), []

    def work():
        results.append(function(3, {"x": X}, 1.0)["sum"])

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all((result == X * 3 + 1).all() for result in results)
    assert len(results) == 4
    assert len(programs(folder)) == 1


def test_shapes_are_kept_as_well(folder, events):
    argument = jax.ShapeDtypeStruct((2, 3), "float32")
    expected = jax.eval_shape(jnp.linalg.norm, argument)
    first = cached_shapes(_shapes, argument)
    events.clear()
    second = cached_shapes(_shapes, argument)
    assert events == [RETRIEVED]
    assert first == second == {"norm": expected}
    assert cached_shapes(_shapes, jax.ShapeDtypeStruct((2,), "float32")) == first
    assert len(programs(folder)) == 2


def _shapes(x):
    return {"norm": jnp.linalg.norm(x)}


@pytest.fixture
def jax_cache(tmp_path):
    """JAX's own cache, switched on."""
    own = tmp_path / "of_jax"
    options = {
        "jax_enable_compilation_cache": True,
        "jax_compilation_cache_dir": str(own),
        "jax_persistent_cache_min_compile_time_secs": 0,
        "jax_persistent_cache_min_entry_size_bytes": -1,
    }
    before = {name: getattr(jax.config, name) for name in options}
    for name, value in options.items():
        jax.config.update(name, value)
    compilation_cache.reset_cache()
    yield own
    for name, value in before.items():
        jax.config.update(name, value)
    compilation_cache.reset_cache()


def test_what_is_kept_does_not_come_from_the_cache_of_jax(folder, jax_cache):
    # Serialised a second time, a program for CPUs lacks its functions.
    make()(3, {"x": X}, 1.0)
    assert not list(jax_cache.glob("*-cache"))
    jax.jit(lambda x: 3 * x)(X)
    assert list(jax_cache.glob("*-cache"))


def test_a_program_that_does_not_run_is_made_anew(folder, monkeypatch):
    make()(3, {"x": X}, 1.0)
    written = programs(folder)[0].stat().st_mtime_ns

    def broken(*_):
        raise jax.errors.JaxRuntimeError("INTERNAL: Function not found")

    monkeypatch.setattr(kept, "_load_program", lambda content: broken)
    assert (make()(3, {"x": X}, 2.0)["sum"] == X * 3 + 2).all()
    assert programs(folder)[0].stat().st_mtime_ns > written


def test_a_program_that_is_found_and_does_not_fit_is_refused(folder, monkeypatch):
    make()(3, {"x": X}, 1.0)
    monkeypatch.setattr(memory, "SMALL_BYTES", 0)
    monkeypatch.setattr(memory, "available_bytes", lambda: 1)
    with pytest.raises(MemoryError, match="are free"):
        make()(3, {"x": X}, 1.0)
    assert len(programs(folder)) == 1
