"""The targets of the Makefile, with a stand-in for the installed command."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import styleflax

ROOT = Path(styleflax.__file__).parents[1]
# Notes what it is called with; `export` writes a file. A training named by DIES fails,
# one named by STOPS ends well without its last step, which export --complete refuses.
STUB = """#!{python}
import json, os, pathlib, sys
here = pathlib.Path({folder!r})
arguments = sys.argv[1:]
with (here / "calls").open("a") as file:
    file.write(json.dumps(arguments) + "\\n")
text = " ".join(arguments)
dies, stops = (os.environ.get(name) for name in ("DIES", "STOPS"))
if arguments[0] == "train" and dies and f"--config={{dies}} " in text:
    sys.exit(137)
if arguments[:2] in (["weights", "export"], ["weights", "average"]):
    if stops and "--complete" in arguments and arguments[2].endswith(stops):
        sys.exit(2)
    pathlib.Path(arguments[-1]).parent.mkdir(parents=True, exist_ok=True)
    pathlib.Path(arguments[-1]).write_text("model")
"""

if shutil.which("make") is None or not (ROOT / "Makefile").is_file():
    pytest.skip("needs make and a checkout", allow_module_level=True)


@pytest.fixture
def make(tmp_path):
    """`make(*arguments, **environment)` -> (exit code, stderr, calls of styleflax)."""
    binaries = tmp_path / "venv" / "bin"
    binaries.mkdir(parents=True)
    for name in ("content", "style"):
        (tmp_path / "data" / name).mkdir(parents=True)
    (binaries / "python").symlink_to(sys.executable)
    stub = binaries / "styleflax"
    stub.write_text(STUB.format(python=sys.executable, folder=str(tmp_path)))
    stub.chmod(0o755)
    (tmp_path / "venv" / ".installed").touch()  # newer than pyproject.toml

    def call(*arguments, **environment):
        calls = tmp_path / "calls"
        calls.unlink(missing_ok=True)
        done = subprocess.run(
            ["make", *arguments, f"VENV={tmp_path / 'venv'}"],
            cwd=ROOT,
            env={**os.environ, **environment},
            capture_output=True,
            text=True,
            check=False,
        )
        lines = calls.read_text().splitlines() if calls.exists() else []
        return done.returncode, done.stderr, [json.loads(line) for line in lines]

    return call


def test_demo_trains_nothing(make, tmp_path):
    code, _, calls = make("demo", f"OUT={tmp_path / 'out'}")
    assert (code, calls) == (0, [["demo", "-o", str(tmp_path / "out")]])


def test_smoke_trains_exports_and_shows(make, tmp_path):
    code, _, calls = make("smoke", f"OUT={tmp_path / 'out'}", "FLAGS=--config.seed=1")
    assert code == 0
    assert [call[0] for call in calls] == ["train", "weights", "demo"]
    assert calls[0][1:] == [
        *("--config=smoke", f"--workdir={tmp_path / 'out' / 'run'}", "--config.seed=1")
    ]


@pytest.fixture
def weights(make, tmp_path):
    """`weights(**environment)`: the recipe with its pictures and output there."""
    arguments = (
        *("weights", f"DATA={tmp_path / 'data'}", f"OUT={tmp_path / 'my out'}"),
        *("FLAGS=--config.seed=1", "SANET_FLAGS=--config.encoder.weights=vgg16"),
        *("ADAIN_FLAGS=--config.seed=2", "ADAIN_LAST_FLAGS=--config.seed=3"),
    )
    return lambda **environment: make(*arguments, **environment)


def test_weights_trains_one_model_from_the_other(weights, tmp_path):
    code, _, calls = weights()
    assert code == 0
    adain, export, adain5, export5, average, sanet, export2, verify = calls
    out, data = tmp_path / "my out", tmp_path / "data"
    content = f"--config.data.content=image_folder:{data}/content"
    style = f"--config.data.style=image_folder:{data}/style+procedural_art"
    shared = [content, style]
    assert adain == [
        *("train", "--config=adain:1-4", f"--workdir={out}/adain-4", *shared),
        *("--config.seed=2", "--config.seed=1"),
    ]
    assert export[:3] == ["weights", "export", f"{out}/adain-4"]
    assert adain5 == [
        *("train", "--config=adain:5", f"--workdir={out}/adain-5", *shared),
        f"--config.init_from={out}/adain-4.safetensors",
        *("--config.seed=3", "--config.seed=1"),
    ]
    halves = [call[-1] for call in (export, export5)]
    assert average == ["weights", "average", *halves, "-o", f"{out}/adain.safetensors"]
    assert sanet == [
        *("train", "--config=sanet", f"--workdir={out}/sanet", *shared),
        f"--config.init_from={out}/adain.safetensors",
        *("--config.encoder.weights=vgg16", "--config.seed=1"),
    ]
    assert export2[-1] == f"{out}/sanet.safetensors"
    models = [f"{out}/{name}.safetensors" for name in ("adain", "sanet")]
    assert verify == ["weights", "verify", *models]


def test_weights_goes_on_with_the_stage_that_was_killed(weights):
    code, _, calls = weights(DIES="sanet")
    assert code != 0
    assert [call[1] for call in calls] == [
        *("--config=adain:1-4", "export", "--config=adain:5", "export", "average"),
        "--config=sanet",
    ]
    code, _, calls = weights()
    assert code == 0
    assert [call[1] for call in calls] == ["--config=sanet", "export", "verify"]
    code, _, calls = weights()
    assert (code, [call[1] for call in calls]) == (0, ["verify"])


def test_weights_takes_no_half_of_a_training_that_was_stopped(weights):
    code, _, calls = weights(STOPS="adain-4")
    assert code != 0
    assert [call[1] for call in calls] == ["--config=adain:1-4", "export"]


@pytest.mark.parametrize("argument", ["DATA=", "DATA=/nowhere"])
def test_weights_without_pictures_says_what_it_needs(make, argument):
    code, error, calls = make("weights", argument)
    assert (code, calls) == (2, [])
    assert "photos in content and paintings in style" in error
