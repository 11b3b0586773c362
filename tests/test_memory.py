"""Free memory, and what becomes of work that does not fit into it."""

import pickle
import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from styleflax import memory
from styleflax.compile_cache.jit import cached_jit
from styleflax.memory import (
    NotEnoughMemoryError,
    available_bytes,
    check_fits,
    explain_memory_errors,
    guard_jit,
    is_out_of_memory,
)

MB = 2**20
X = np.zeros((256, 256), np.float32)


@pytest.fixture
def free(monkeypatch):
    """`free(number)`: so many bytes are free from now on, and each need counts."""

    def set_free(number):
        monkeypatch.setattr(memory, "available_bytes", lambda: number)
        monkeypatch.setattr(memory, "SMALL_BYTES", 0)

    return set_free


@pytest.fixture
def machine(tmp_path):
    """`machine(files)` -> what `available_bytes` says where these files are."""

    def available(files):
        for name, text in {"proc/meminfo": "MemAvailable: 9216 kB\n", **files}.items():
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        return available_bytes(tmp_path / "proc", tmp_path / "cg")

    return available


def test_a_machine_without_groups_has_what_the_kernel_says(machine):
    assert machine({}) == 9 * MB


def test_a_group_of_version_2_leaves_its_limit_but_for_cached_files(machine):
    files = {
        "proc/self/cgroup": "0::/a/b\n",
        "cg/memory.max": "max\n",
        "cg/memory.current": "1\n",
        "cg/a/memory.max": f"{6 * MB}\n",
        "cg/a/memory.current": f"{5 * MB}\n",
        "cg/a/memory.stat": f"active_file 7\ninactive_file {2 * MB}\n",
        "cg/a/b/memory.max": "max\n",
        "cg/a/b/memory.current": "1\n",
    }
    assert machine(files) == 3 * MB


def test_a_group_of_version_1_in_a_container_is_found(machine):
    files = {
        "proc/self/cgroup": "3:cpu:/x\n2:memory:/docker/123\n",
        "cg/memory/memory.limit_in_bytes": f"{4 * MB}\n",
        "cg/memory/memory.usage_in_bytes": f"{5 * MB}\n",
    }
    assert machine(files) == 0


def test_a_lowered_limit_of_addresses_counts():
    code = (
        "import resource; from styleflax.memory import available_bytes;"
        "resource.setrlimit(resource.RLIMIT_AS, (2**30, 2**30));"
        "print(available_bytes())"
    )
    said = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert 2**28 < int(said.stdout) < 2**30


def test_only_large_needs_are_compared(monkeypatch):
    monkeypatch.setattr(memory, "available_bytes", lambda: 0)
    check_fits(memory.SMALL_BYTES - 1)
    with pytest.raises(MemoryError, match="needs about 67 MB of memory, and 0 MB"):
        check_fits(memory.SMALL_BYTES)


def test_what_is_unknown_is_not_refused(monkeypatch):
    monkeypatch.setattr(memory, "available_bytes", lambda: None)
    check_fits(2**60)


OF_DEVICES = (
    MemoryError(),
    jax.errors.JaxRuntimeError("RESOURCE_EXHAUSTED: Out of memory allocating 64 bytes"),
    RuntimeError("INTERNAL: CUDA_ERROR_OUT_OF_MEMORY"),
)


@pytest.mark.parametrize("error", OF_DEVICES, ids=range(3))
def test_errors_of_memory_are_explained_on_all_devices(error):
    assert is_out_of_memory(error)
    with (
        pytest.raises(NotEnoughMemoryError, match=r"^a step .* free: use less$") as got,
        explain_memory_errors("a step", "use less"),
    ):
        raise error
    assert got.value.__cause__ is error
    assert str(pickle.loads(pickle.dumps(got.value))) == str(got.value)


@pytest.mark.parametrize("error", [RuntimeError("INTERNAL: bug"), ValueError("x")])
def test_other_errors_stay_as_they_are(error):
    assert not is_out_of_memory(error)
    with pytest.raises(type(error)) as got, explain_memory_errors("a step", "use less"):
        raise error
    assert got.value is error


def test_the_size_that_a_device_was_asked_for_is_told():
    error = jax.errors.JaxRuntimeError(
        "RESOURCE_EXHAUSTED: Out of memory allocating 9221633024 bytes."
    )
    with (
        pytest.raises(MemoryError, match=r"more memory than is free \(9.2 GB at once"),
        explain_memory_errors("a step", "use less"),
    ):
        raise error


def test_an_explanation_stays_unless_a_command_knows_better():
    def fail():
        with explain_memory_errors("a step", "use less"):
            raise MemoryError

    with (
        pytest.raises(MemoryError, match="use less"),
        explain_memory_errors("b", "c", "d"),
    ):
        fail()
    with (
        pytest.raises(MemoryError, match=r"^a step .*: --batch$"),
        explain_memory_errors("b", "--batch", "less"),
    ):
        fail()


@pytest.mark.parametrize("jit", [lambda f: guard_jit(jax.jit(f)), cached_jit])
def test_a_program_that_does_not_fit_is_refused_before_it_runs(jit, free):
    program = jit(lambda x: jnp.sin(x) @ jnp.cos(x))
    free(2**30)
    assert (np.asarray(program(X)) == 0).all()
    free(1000)
    with pytest.raises(MemoryError, match="of memory, and 0 MB are free"):
        program(X)
    free(2**30)
    assert (np.asarray(program(X)) == 0).all()
