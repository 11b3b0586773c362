"""Writes the anchors: files of one version by which later ones are tested.

    python tests/anchors/make_anchors.py results   # results.npz anew
    python tests/anchors/make_anchors.py files     # all of the others, then results

The files were made by version 0.1.0 at commit af91bda and stay as they are: they
are what people have who used it. Results may be made anew only by a commit that
changes nothing but the bundled weights, whose own results they are; style files of
these weights (`adain.style`, `sanet.style`) belong to them too.
"""

import contextlib
import importlib
import shutil
import sys
import tempfile
from pathlib import Path

TESTS = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(TESTS), str(TESTS / "helpers"), str(TESTS.parent)]

import anchor_cases as cases  # noqa: E402
import conftest  # noqa: E402, F401 - compiles as the tests do
import numpy as np  # noqa: E402
from PIL import Image  # noqa: E402

import styleflax  # noqa: E402
from styleflax.config import to_json  # noqa: E402

CONFIGS = ("adain", "adain_vgg19", "sanet", "sanet_vgg19", "johnson", "cin")
CONFIGS += ("johnson_published", "cin_published", "ulyanov_published")
WORKDIR = cases.FOLDER / "workdir"


def draw(seed, height, width):
    """Waves of three colors and an edge, uint8."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:height, :width] / 40
    waves = 0
    for amplitude in (0.3, 0.2, 0.1, 0.1):
        phase, down, right = rng.uniform(0, 6, 3), *rng.uniform(-9, 9, (2, 3))
        angles = y[..., None] * down + x[..., None] * right + phase
        waves = waves + amplitude * np.sin(angles)
    edge = 0.15 * np.sign(y + x - 1)[..., None]
    return np.uint8(np.clip(0.5 + 0.6 * waves + edge, 0, 1) * 255)


def make_pictures():
    """The pictures, and the two styles in a folder of their own."""
    for seed, (name, shape) in enumerate(cases.SHAPES.items()):
        Image.fromarray(draw(seed, *shape)).save(cases.FOLDER / f"{name}.png")
    (cases.FOLDER / "styles").mkdir(exist_ok=True)
    for name in ("one.png", "two.png"):
        shutil.copy(cases.FOLDER / name, cases.FOLDER / "styles" / name)


def make_files():
    """Model files, a run that stopped early, its end, and style files."""
    with contextlib.chdir(cases.FOLDER), tempfile.TemporaryDirectory() as folder:
        for method, options in (("johnson", {"padding": "mirror"}), ("cin", {})):
            run = Path(folder) / method
            styleflax.train(cases.make_config(method, **options), run)
            file = styleflax.read_run(run)
            styleflax.save_model(cases.FOLDER / f"{method}.safetensors", file)
        end = cases.leaves(file.players, "end") | {"losses": cases.losses(run)}
        np.savez_compressed(cases.FOLDER / "run.npz", **end)
        shutil.rmtree(run / "checkpoints" / "6")  # as if killed before it was written
        shutil.rmtree(run / "checkpoints" / "2")
        shutil.rmtree(WORKDIR, ignore_errors=True)
        shutil.copytree(run, WORKDIR, ignore=shutil.ignore_patterns(".lock"))
    for path in WORKDIR.rglob("commit_success.txt"):  # names the folder of this machine
        path.write_text("Checkpoint commit was successful\n")
    cases.load("cin.safetensors").save_style("two", cases.FOLDER / "cin.style")
    for name in cases.BUNDLED:
        picture = cases.FOLDER / "one.png"
        cases.load(name).save_style(picture, cases.FOLDER / f"{name}.style")


def make_configs():
    """Configurations of full runs, as these write them."""
    for name in CONFIGS:
        config = importlib.import_module(f"configs.{name}").get_config()
        path = cases.FOLDER / "configs" / name / "config.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(to_json(config), "utf-8")


def make_results():
    """All pictures, as float32 and the command's in 8 bits."""
    made = {name: cases.make(name).array for name in cases.CASES}
    with tempfile.TemporaryDirectory() as folder:
        cases.make_by_command(Path(folder) / "out.png")
        with Image.open(Path(folder) / "out.png") as picture:
            made["command"] = np.asarray(picture)
    stopped = styleflax.read_run(WORKDIR).players
    made |= cases.leaves(stopped, "stopped")
    np.savez_compressed(cases.RESULTS, **made)


if __name__ == "__main__":
    if sys.argv[1:] not in (["files"], ["results"]):
        sys.exit(__doc__)
    if sys.argv[1] == "files":
        make_pictures()
        make_files()
        make_configs()
    make_results()
