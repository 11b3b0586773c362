import os
import subprocess
import sys
from pathlib import Path

import pytest

import styleflax

ROOT = Path(styleflax.__file__).parent.parent


def test_version_is_printed(command):
    code, output, _ = command("--version")
    assert (code, output) == (0, f"styleflax {styleflax.__version__}\n")


@pytest.mark.parametrize("arguments", [[], ["--help"], ["weights"]])
def test_help_ends_well(command, arguments):
    code, output, error = command(*arguments)
    assert code == 0
    assert "Usage: styleflax" in output
    assert not error


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["stylise"], "No such command 'stylise'"),
        (["stylize", "--styl"], "No such option: --styl"),
        (["stylize", "a.png", "--style", "b.png"], "Missing option '-o'"),
        (["stylize", "--style", "a.png", "-o", "b.png"], "PHOTO is missing"),
        (["weights", "export", "run"], "Missing option '-o'"),
        (["weights", "fetch"], "Missing argument"),
        (["weights", "fetch", "vgg11"], "no weights 'vgg11'"),
    ],
)
def test_wrong_arguments_are_one_line(refuses, arguments, message):
    assert message in refuses(*arguments)


def test_eval_script_shows_its_options():
    script = subprocess.run(
        [sys.executable, "eval.py", "--help"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    for option in ("--content", "--style", "--weights", "--out"):
        assert option in script.stdout


@pytest.mark.parametrize(
    ("words", "offered"),
    [
        pytest.param("styleflax sty", "stylize", marks=pytest.mark.slow),
        ("styleflax video --al", "--alpha"),
    ],
)
def test_the_shell_completes_commands_and_options(words, offered):
    asked = {"_STYLEFLAX_COMPLETE": "complete_bash", "COMP_WORDS": words}
    asked["COMP_CWORD"] = str(words.count(" "))
    told = subprocess.run(
        [sys.executable, "-c", "from styleflax.cli import main; main()"],
        env={**os.environ, **asked},
        capture_output=True,
        text=True,
        check=False,
    )
    assert offered in told.stdout.split()
