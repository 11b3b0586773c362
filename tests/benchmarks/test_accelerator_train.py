"""`benchmarks/accelerator_train.py`: packed, trained at tiny size, joined."""

import json
import math
import subprocess
import sys
import zipfile
from pathlib import Path

import jax
import pytest

from styleflax.methods import METHODS, build
from styleflax.weights.store import load_model, model_digest

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))
from accelerator_files import (
    MOST_FILES,
    MOST_MIB,
    PIECE_BYTES,
    count_bytes,
    join,
    split,
)
from accelerator_train import main

CONFIG = """
from styleflax.config import Config, Phase

def get_config(crop_px="32"):
    phases = tuple(
        Phase(steps=steps, batch_size=1, crop_px=int(crop_px), resize_px=40,
              losses={"content": 1.0, "style": 10.0})
        for steps in (300, 100)
    )
    return Config(options={"width": 1 / 16}, phases=phases)
"""


@pytest.fixture
def packed(write_picture, tmp_path):
    """A zip file of pictures, and a configuration."""
    for seed in range(4):
        write_picture(tmp_path / "photos" / f"{seed}.png", 64, 80, seed=seed)
        write_picture(tmp_path / "art" / f"{seed}.png", 64, 80, seed=seed + 9)
    (tmp_path / "photos" / "bad.png").write_bytes(b"no picture")
    (tmp_path / "config.py").write_text(CONFIG)
    folders = ("--content", tmp_path / "photos", "--style", tmp_path / "art")
    size = ("--short-px", "48", "-o", tmp_path / "pictures.zip")
    assert main([str(x) for x in ("pack", *folders, *size)]) == 0
    return tmp_path / "pictures.zip"


def arguments(packed, out, model_path, *more):
    config = f"{packed.with_name('config.py')}:32"
    own = ("--config", config, "--pictures", packed, "--out", out, "--batch", "2")
    return ("accelerator_train.py", "train", *own, "--init-from", model_path, *more)


def test_pictures_travel_as_jpeg_in_one_file(packed):
    with zipfile.ZipFile(packed) as file:
        names = file.namelist()
        assert all(file.read(name)[:2] == b"\xff\xd8" for name in names)
    assert len([n for n in names if n.startswith("content/")]) == 4
    assert len([n for n in names if n.startswith("style/")]) == 4


@pytest.mark.slow  # imports and compiles a training; the pieces have tests below
def test_a_training_returns_parts_that_join_to_the_model(
    packed, run_bare, model_path, tmp_path
):
    out = tmp_path / "out"
    given = arguments(packed, out, model_path, "--steps", "4", "--dtype", "float32")
    done = run_bare(*given)
    assert done.returncode == 0, done.stderr
    assert "[3, 1] steps" in done.stdout
    assert sorted(path.name for path in out.iterdir()) == [
        *("adain.000", "adain.json", "metrics.jsonl", "step_0000004.png")
    ]
    lines = (out / "metrics.jsonl").read_text().splitlines()
    assert json.loads(lines[-1])["step"] == 4
    path = tmp_path / "joined.safetensors"
    join_flags = ("join", out / "adain.json", "--encoder", model_path, "-o", path)
    assert main([*map(str, join_flags)]) == 0
    joined, before = load_model(path), load_model(model_path)
    assert model_digest(joined) == json.loads((out / "adain.json").read_text())["model"]
    assert joined.encoder_params.keys() == before.encoder_params.keys()
    assert joined.provenance["steps"] == 4
    assert (out / "adain.000").stat().st_size < model_path.stat().st_size


@pytest.mark.slow  # as the one above
def test_when_the_time_is_up_what_was_trained_is_exported(
    packed, run_bare, model_path, tmp_path
):
    out = tmp_path / "out"
    more = ("--minutes", "0", "--dtype", "float32")  # steps as they are measured
    done = run_bare(*arguments(packed, out, model_path, *more))
    assert done.returncode == 0, done.stderr
    assert "s a step of 32 px" in done.stdout
    assert "adain.000" in done.stdout
    assert "1 steps" in done.stdout


LOSING = """
import sys
sys.path.insert(0, {folder!r})
import accelerator_run
from accelerator_train import main

def make_sampler(*_):
    def sample(*_):
        raise RuntimeError("the device is lost")
    return sample

accelerator_run.make_sampler = make_sampler
sys.exit(main(sys.argv[1:]))
"""


@pytest.mark.slow  # as the one above
def test_when_the_training_fails_its_newest_checkpoint_is_exported(
    packed, run_bare, model_path, tmp_path
):
    script = tmp_path / "losing.py"
    folder = Path(__file__).parents[2] / "benchmarks"
    script.write_text(LOSING.format(folder=str(folder)))
    out = tmp_path / "out"
    more = ("--steps", "4", "--dtype", "float32")
    _, *given = arguments(packed, out, model_path, *more)
    done = run_bare(script, *given)
    assert done.returncode == 0, done.stderr
    assert "RuntimeError: the device is lost" in done.stderr
    path = tmp_path / "joined.safetensors"
    join(out / "adain.json", str(model_path), path)
    assert load_model(path).provenance["steps"] >= 3


def test_a_training_that_fails_at_once_ends_with_1(packed, run_bare, tmp_path):
    given = arguments(packed, tmp_path / "out", "none.safetensors", "--steps", "1")
    done = run_bare(*given)
    assert done.returncode == 1
    assert "nothing can be exported" in done.stderr
    assert "there is no model file" in done.stderr


@pytest.mark.parametrize("keep_encoder", [False, True])
def test_pieces_join_to_the_same_bytes(model_path, tmp_path, monkeypatch, keep_encoder):
    monkeypatch.setattr(sys.modules["accelerator_files"], "PIECE_BYTES", 10_000)
    model = load_model(model_path)
    paths = split(model, tmp_path / "out", "x", keep_encoder=keep_encoder)
    assert len(paths) > 3
    assert all(path.stat().st_size <= 10_000 for path in paths[:-1])
    encoder = "" if keep_encoder else str(model_path)
    join(tmp_path / "out" / "x.json", encoder, tmp_path / "y.safetensors")
    assert (tmp_path / "y.safetensors").read_bytes() == model_path.read_bytes()


def test_other_encoders_and_damaged_pieces_are_refused(
    model_path, model_file, sanet_path, tmp_path
):
    out, joined = tmp_path / "out", tmp_path / "y.safetensors"
    split(load_model(model_path), out, "x", keep_encoder=False)
    with pytest.raises(ValueError, match="must be the weights that"):
        join(out / "x.json", "", joined)
    changed = dict(model_file.encoder_params)
    changed["conv1_1"] = {**changed["conv1_1"]}
    changed["conv1_1"]["bias"] = changed["conv1_1"]["bias"] + 1
    from styleflax.weights.store import save_model

    other = tmp_path / "other.safetensors"
    save_model(other, model_file._replace(encoder_params=changed))
    with pytest.raises(ValueError, match="is not the one that was trained with"):
        join(out / "x.json", str(other), joined)
    (out / "x.000").write_bytes((out / "x.000").read_bytes()[:-1])
    with pytest.raises(ValueError, match="not those it describes"):
        join(out / "x.json", str(model_path), joined)
    assert not joined.exists()


def test_what_travels_is_counted(tmp_path, capsys):
    root = tmp_path / "checkout"
    root.mkdir()
    subprocess.run(["git", "init", "-q", root], check=True)
    sizes = {"tracked": 1000, "new": 200, "ignored": 30, "weights": 4000}
    for name, size in sizes.items():
        (root / name).write_bytes(b"x" * size)
    (root / ".gitignore").write_bytes(b"ignored")
    subprocess.run(["git", "-C", root, "add", "tracked", "weights"], check=True)
    assert count_bytes(root, [], []) == 5207
    assert count_bytes(root, [root / "ignored"], [Path("weights")]) == 1237
    (root / "large").write_bytes(b"")
    with (root / "large").open("r+b") as file:
        file.truncate(62 * 2**20)
    given = ["count", "--root", str(root)]
    assert main(given) == 1
    assert "DOES NOT FIT" in capsys.readouterr().out
    assert main([*given, "--without", str(root / "large")]) == 0
    assert "fits" in capsys.readouterr().out


def test_this_checkout_travels_without_one_of_its_models():
    root = Path(__file__).parents[2]
    if not (root / ".git").exists():
        pytest.skip("needs a checkout")
    largest = root / "styleflax" / "weights" / "files" / "sanet.safetensors"
    pictures = 20 * 2**20
    assert count_bytes(root, [], [largest]) + pictures < MOST_MIB * 2**20


@pytest.mark.parametrize("name", METHODS)
def test_what_returns_is_at_most_eight_files_of_15_mib(name):
    assert PIECE_BYTES <= 15 * 2**20
    method = build(name)
    shapes = jax.eval_shape(method.init, jax.random.key(0))
    leaves = jax.tree.leaves((shapes.players["model"], shapes.state))
    num_bytes = sum(leaf.size * leaf.dtype.itemsize for leaf in leaves)
    pieces = math.ceil((num_bytes + 2**16) / PIECE_BYTES)
    # The description, metrics, samples, and the other benchmark's numbers.
    assert pieces + 4 <= MOST_FILES == 8
