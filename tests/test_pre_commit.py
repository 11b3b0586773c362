import os
import shlex
import subprocess
from pathlib import Path

import pytest
import yaml

import styleflax

ROOT = Path(styleflax.__file__).parents[1]
CONFIG = ROOT / ".pre-commit-config.yaml"
TOOLS = ("ruff", "mypy", "lint-imports")


def write_tools(folder, told):
    """Programs with the names of the tools that print how they are called."""
    folder.mkdir(parents=True)
    for tool in TOOLS:
        file = folder / tool
        file.write_text(f'#!/bin/sh\necho "{told} {tool} $*"\n')
        file.chmod(0o755)


def hooks():
    if not CONFIG.is_file():
        pytest.skip("needs a checkout")
    (local,) = yaml.safe_load(CONFIG.read_text())["repos"]
    return local["hooks"]


def run(hook, folder, path):
    """What a hook prints, run as pre-commit runs it, with two files."""
    command = shlex.split(hook["entry"])
    command += ["a.py", "b.py"] if hook.get("pass_filenames", True) else []
    environment = {"PATH": f"{path}{os.pathsep}{os.defpath}"}
    done = subprocess.run(
        command,
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_hooks_run_in_an_environment_of_any_name(tmp_path):
    write_tools(tmp_path / "other" / "bin", "path")
    told = [run(hook, tmp_path, tmp_path / "other" / "bin") for hook in hooks()]
    assert told == [
        "path ruff format a.py b.py",
        "path ruff check a.py b.py",
        "path mypy",
        "path lint-imports",
    ]


def test_hooks_take_the_tools_of_the_makefile_without_activation(tmp_path):
    write_tools(tmp_path / ".venv" / "bin", "venv")
    for hook in hooks():
        assert run(hook, tmp_path, tmp_path).startswith("venv ")
