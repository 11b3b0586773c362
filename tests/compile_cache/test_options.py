"""What the compiler is told, and whether programs are compiled so."""

import logging
import os
import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from styleflax.compile_cache import options
from styleflax.compile_cache.jit import cached_jit, environment_digest
from styleflax.compile_cache.options import (
    DETERMINISTIC,
    SWITCH,
    VARIABLE,
    YNN_FUSIONS,
    add_flag,
    describe_options,
    jaxlib_version,
    set_compiler_options,
)
from styleflax.ops.conv import conv3x3_reflect
from styleflax.parallel import AXIS, map_step

NONE, REDUCE = f"{YNN_FUSIONS}=", f"{YNN_FUSIONS}=reduce"


@pytest.fixture
def tell(monkeypatch):
    """`tell(version, flags, **variables)`: the flags after telling that jaxlib's."""

    def run(version="0.10.2", flags="", *, started=False, **variables):
        monkeypatch.setattr(options, "jaxlib_version", lambda: version)
        monkeypatch.setattr(options, "_has_started", lambda: started)
        monkeypatch.setattr(options._Told, "flags", ())
        for name, value in {VARIABLE: flags, SWITCH: "on", **variables}.items():
            monkeypatch.setenv(name, value)
        set_compiler_options()
        return os.environ[VARIABLE]

    return run


@pytest.mark.parametrize(
    ("version", "flags"),
    [
        ("0.10.0", NONE),
        ("0.10.2", NONE),
        ("0.11.2", NONE),
        ("0.12.0.1", NONE),
        ("0.12.1.dev20261101", NONE),
        ("0.9.2", ""),
        ("0.13.0", ""),
        ("1.10.0", ""),
        ("", ""),
    ],
)
def test_a_version_is_told_what_it_knows_and_others_nothing(tell, version, flags):
    assert tell(version) == flags


@pytest.mark.parametrize(
    "flags",
    [
        f"{YNN_FUSIONS}=individual_dot",
        f"--xla_cpu_enable_fast_math=false {YNN_FUSIONS}=",
        "/etc/flags.txt",
    ],
)
def test_what_the_user_has_set_stays(tell, flags):
    assert tell(flags=flags) == flags


def test_other_flags_stay_beside(tell):
    other = "--xla_force_host_platform_device_count=2"
    assert tell(flags=other) == f"{other} {NONE}"


@pytest.mark.parametrize("value", ["off", "OFF", "0", "false"])
def test_the_switch_leaves_the_compiler_alone(tell, value):
    assert tell(**{SWITCH: value}) == ""


def test_after_jax_has_started_it_is_only_warned(tell, caplog):
    jax.local_devices()
    with caplog.at_level(logging.WARNING, "styleflax"):
        assert tell(started=True) == ""
    (message,) = caplog.messages
    assert NONE in message
    assert "import styleflax first" in message
    caplog.clear()
    tell("0.13.0", started=True)
    tell(flags=REDUCE, started=True)
    assert not caplog.messages


def test_jax_s_start_is_noticed():
    code = "from styleflax.compile_cache.options import _has_started as s; "
    code += "import jax; a = s(); jax.devices(); print(a, s())"
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    assert done.stdout == "False True\n"


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("", DETERMINISTIC),
        (
            "--xla_gpu_deterministic_ops_too=1",
            f"--xla_gpu_deterministic_ops_too=1 {DETERMINISTIC}",
        ),
        (DETERMINISTIC, DETERMINISTIC),
        ("--xla_gpu_deterministic_ops=false", "--xla_gpu_deterministic_ops=false"),
    ],
)
def test_determinism_is_asked_for_unless_the_user_has_decided(
    before, after, monkeypatch
):
    monkeypatch.setenv(VARIABLE, before)
    assert add_flag(DETERMINISTIC) == (after != before)
    assert os.environ[VARIABLE] == after


def test_the_description_tells_the_library_s_flags_from_the_user_s(tell):
    user = "--xla_cpu_enable_fast_math=false"
    tell(flags=user)
    rows = dict(describe_options())
    assert rows["compiler options"] == f"{NONE}, for jaxlib 0.10.2"
    assert rows["compiler options in XLA_FLAGS"] == user
    tell("0.13.0")
    assert dict(describe_options()) == {
        "compiler options": "nothing, for jaxlib 0.13.0",
        "compiler options in XLA_FLAGS": "nothing",
    }


def check_programs(scope):
    """Asserts that programs with operations of this scope have none of YNNPACK's."""
    if NONE not in os.environ[VARIABLE].split():
        pytest.skip(f"jaxlib {jaxlib_version()} is told nothing, or something else")
    executables = jax.local_devices()[0].client.live_executables()
    texts = [module.to_string() for e in executables for module in e.hlo_modules()]
    found = [text for text in texts if scope in text and "convolution(" in text]
    assert found
    assert not any("__ynn_fusion" in text for text in found)


def convolved(x, kernel, scope):
    """A convolution and a matrix product: what YNNPACK would take."""
    with jax.named_scope(scope):
        return conv3x3_reflect(x, kernel, jnp.zeros(64)) @ kernel[0, 0]


KERNEL = np.ones((3, 3, 64, 64), np.float32)
IMAGES = np.ones((2, 32, 32, 64), np.float32)


@pytest.mark.parametrize("mode", ["pmap", "shard_map"])
def test_steps_are_compiled_by_these_options(mode):
    def step(state, frozen, batch):
        def loss(kernel):
            return jnp.vdot(convolved(batch, kernel, f"step_by_{mode}"), frozen)

        gradient = lax.pmean(jax.grad(loss)(state), AXIS)
        return state - gradient, gradient[0, 0]

    mapped = map_step(step, jax.local_devices()[:2], mode)
    state, _ = mapped(jnp.asarray(KERNEL), jnp.ones((1, 32, 32, 64)), IMAGES)
    jax.block_until_ready(state)
    check_programs(f"step_by_{mode}")


def test_kept_programs_are_compiled_by_these_options(folder):
    program = cached_jit(lambda x, kernel: convolved(x, kernel, "kept_program"))
    jax.block_until_ready(program(IMAGES, KERNEL))
    assert list(folder.iterdir())
    check_programs("kept_program")


def test_the_options_are_part_of_a_kept_program_s_key(tell):
    keys = []
    for version, flags in (("0.12.0", ""), ("0.12.0", REDUCE), ("0.13.0", "")):
        tell(version, flags)
        keys.append(environment_digest())
    assert len(set(keys)) == 3


def test_programs_that_measure_pictures_are_compiled_by_these_options():
    from styleflax.evaluation.metrics.lpips import make_lpips

    pictures = np.random.default_rng(0).random((2, 1, 96, 96, 3), np.float32)
    jax.block_until_ready(make_lpips("vgg16")(*pictures))
    check_programs("jit(lpips)")
