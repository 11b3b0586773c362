"""`benchmarks/accelerator.py` at sizes of a trial, on CPU."""

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import pytest
from jax import lax

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))
from counting import count_flop

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture(scope="module")
def layout():
    return ("NHWC", "HWIO", "NHWC")


def test_operations_are_those_of_convolutions_and_products(layout):
    image, kernel = jnp.ones((2, 8, 8, 3)), jnp.ones((3, 3, 3, 5))

    def conv(kernel):
        return lax.conv_general_dilated(
            image, kernel, (1, 1), "SAME", dimension_numbers=layout
        )

    once = 2 * (2 * 8 * 8 * 5) * (3 * 3 * 3)
    assert count_flop(jax.jit(conv), kernel) == once
    gradient = jax.grad(lambda kernel: conv(kernel).sum())
    assert count_flop(gradient, kernel) == 2 * once  # forward, and to the kernel
    square = jnp.ones((4, 4))
    assert count_flop(lambda x: x @ x + jnp.exp(x), square) == 2 * 4**3

    def loop(x):
        return lax.scan(lambda c, _: (c @ c, None), x, None, length=3)[0]

    assert count_flop(loop, square) == 3 * 2 * 4**3
    branches = (lambda x: x @ x, lambda x: x @ x @ x)
    assert count_flop(lambda x: lax.cond(True, *branches, x), square) == 2 * 4**3


def test_sections_measure_without_the_packages_that_may_be_missing(
    run_bare, model_path, tmp_path
):
    out = tmp_path / "accelerator.json"
    given = ("--weights", model_path, "--trained", "adain", "--minutes", "60")
    only = ("--only", "device", "train", "large")
    done = run_bare("accelerator.py", "--tiny", "--out", out, *given, *only)
    assert done.returncode == 0, done.stderr
    sections = json.loads(out.read_text())["sections"]
    assert {name: len(section["rows"]) for name, section in sections.items()} == {
        **{"device": 5, "train": 1, "large": 1}
    }
    for section in sections.values():
        assert not [row for row in section["rows"] if "error" in row]
    assert all(
        row["memory_gib"] >= 0 and row["compile_s"] > 0
        for name in ("train", "large")
        for row in sections[name]["rows"]
    )
    assert "train" in done.stdout


@pytest.mark.slow  # a minute of compiling; the one above has three of the sections
def test_every_section_measures_without_the_packages_that_may_be_missing(
    run_bare, model_path, sanet_path, tmp_path
):
    out = tmp_path / "accelerator.json"
    given = ("--weights", model_path, sanet_path, "--trained", "adain", "johnson")
    given += ("--minutes", "60")
    done = run_bare("accelerator.py", "--tiny", "--out", out, *given)
    assert out.is_file(), done.stderr
    results = json.loads(out.read_text())
    sections = results["sections"]
    has_torch = importlib.util.find_spec("torch") is not None
    assert done.returncode == (0 if has_torch else 1), done.stderr
    failed = {name for name, section in sections.items() if section["error"]}
    assert failed == (set() if has_torch else {"torch"}), sections
    assert list(sections) == [
        *("device", "torch", "train", "large", "stylizer", "stylize")
    ]
    for section in sections.values():
        assert not [row for row in section["rows"] if "error" in row]
    assert [row["method"] for row in sections["train"]["rows"]] == ["adain", "johnson"]
    rows = sections["stylize"]["rows"]
    if has_torch:  # AdaIN with VGG-19, SANet and the step; two of ours, three of theirs
        assert len(sections["torch"]["rows"]) == 3 * (2 + 3)
    # Two models; one picture with the style kept and encoded, two with it kept.
    assert len(rows) == 2 * 3
    assert all(row["pictures_per_s"] > 0 and row["share"] > 0 for row in rows)
    assert len(results["aims"]) == 3


def test_a_section_that_fails_leaves_the_others_alone(run_bare, model_path, tmp_path):
    out = tmp_path / "accelerator.json"
    weights = ("--weights", tmp_path / "none.safetensors")
    only = ("--only", "device", "stylize", "large")
    done = run_bare("accelerator.py", "--tiny", "--out", out, *weights, *only)
    assert done.returncode == 1
    sections = json.loads(out.read_text())["sections"]
    assert "there is no model file" in sections["stylize"]["error"]
    assert "there is no model file" in sections["large"]["error"]
    assert (sections["device"]["error"], len(sections["device"]["rows"])) == ("", 5)
    assert "there is no model file" in done.stdout


def test_when_its_time_is_up_a_section_ends_and_says_so(run_bare, tmp_path):
    out = tmp_path / "accelerator.json"
    only = ("--only", "device", "--minutes", "0")
    run_bare("accelerator.py", "--tiny", "--out", out, *only)
    section = json.loads(out.read_text())["sections"]["device"]
    assert len(section["rows"]) == 1
    assert "its time was up" in section["error"]


STUCK = """
import sys, time
sys.path.insert(0, {folder!r})
import accelerator

def stuck(bench):
    yield {{"name": "first"}}
    time.sleep(600)

accelerator.SECTIONS["large"] = (stuck, 1.0)
accelerator.GRACE_S = 0.5
sys.argv[1:] = ["--tiny", "--out", sys.argv[1], "--only", "large", "--minutes", "0.01"]
sys.exit(accelerator.main())
"""


def test_a_row_that_does_not_end_is_given_up_and_what_was_found_is_kept(tmp_path):
    out = tmp_path / "accelerator.json"
    command = [sys.executable, "-c", STUCK.format(folder=str(BENCHMARKS)), out]
    environment = {**os.environ, "STYLEFLAX_COMPILATION_CACHE": "off"}
    done = subprocess.run(
        command,
        env=environment,
        check=False,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 1, done.stderr
    assert "stopped in the middle of a row" in done.stdout
    results = json.loads(out.read_text())
    assert results["sections"]["large"]["rows"] == [{"name": "first"}]
    assert len(results["aims"]) == 3
