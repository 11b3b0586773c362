"""Compiled programs against the same operations one by one, and `doctor --check`."""

import os
import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from styleflax.compile_cache.options import SWITCH, VARIABLE, jaxlib_version
from styleflax.evaluation import self_check
from styleflax.evaluation.self_check import Program, compare, known_sum, own_programs

PROGRAMS = {program.name: program for program in own_programs()}
X = (np.linspace(1.0, 2.0, 8, dtype=np.float32),)


# One of every kind; the others take a minute, as every operation is compiled alone.
QUICK = {"conv3x3_reflect", "gram loss", "attention, dense", "keep_luminance"}


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=[] if name in QUICK else [pytest.mark.slow])
        for name in PROGRAMS
    ],
)
def test_a_compiled_program_gives_what_its_operations_give(name):
    verdict = compare(PROGRAMS[name])
    assert verdict.agrees, verdict


def test_the_known_sum_is_right_under_the_library_s_options():
    assert compare(known_sum()).agrees
    total = np.asarray(jax.jit(known_sum().function)(*known_sum().arguments))
    exact = np.arange(self_check.KNOWN_ROWS, dtype=np.float64) ** 2
    np.testing.assert_allclose(total, exact, rtol=1e-6)


@pytest.mark.xfail(
    jaxlib_version() == "0.10.2", reason=self_check.KNOWN_ISSUE, strict=True
)
def test_the_known_sum_is_right_as_jaxlib_itself_compiles_it():
    code = "from styleflax.evaluation.self_check import compare, known_sum; "
    code += "print(compare(known_sum()).agrees)"
    environment = {**os.environ, SWITCH: "off", VARIABLE: ""}
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=environment,
        check=True,
        capture_output=True,
        text=True,
    )
    assert done.stdout == "True\n"


def wrong_when_compiled(by, x):
    return x + by if isinstance(x, jax.core.Tracer) else x


@pytest.mark.parametrize("by", [0.01, np.nan])
def test_what_differs_does_not_agree(by):
    verdict = compare(Program("sum", lambda x: wrong_when_compiled(by, x), X))
    assert not verdict.agrees


@pytest.fixture
def check(command, monkeypatch):
    """`check(own, known)`: what `doctor --check` says of programs wrong by these."""

    def run(own, known):
        def program(name, by):
            return Program(name, lambda x: wrong_when_compiled(by, jnp.sin(x)), X)

        monkeypatch.setattr(self_check, "known_sum", lambda: program("known", known))
        programs = [program("good", 0.0), program("other", own)]
        monkeypatch.setattr(self_check, "own_programs", lambda: programs)
        return command("doctor", "--check")

    return run


def test_doctor_finds_nothing_where_all_agree(check):
    code, output, error = check(own=0.0, known=0.0)
    assert (code, error) == (0, "")
    assert "good: ok, deviation 0.0e+00\nother: ok" in output


def test_doctor_fails_where_a_program_of_ours_differs(check):
    code, output, error = check(own=0.5, known=0.0)
    assert (code, error) == (1, "")
    assert "good: ok" in output
    assert "other: WRONG when compiled, deviation 5.0e-01" in output


def test_doctor_warns_where_only_the_known_sum_is_wrong(check):
    code, output, error = check(own=0.0, known=0.5)
    assert code == 0
    assert "other: ok" in output
    assert error.startswith("styleflax: warning: this jaxlib computes wrong sums")
    assert "#39103" in error
    assert error.count("\n") == 1
