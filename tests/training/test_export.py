import dataclasses
import json
import shutil

import jax
import numpy as np
import pytest

from styleflax.config import Config, Data, Encoder, Phase, to_json
from styleflax.methods.base import Variables
from styleflax.training.checkpoint import Checkpoints
from styleflax.training.encoder import FILE_NAME
from styleflax.training.export import describe_spec, read_run
from styleflax.training.step import TrainState, make_optimizer
from styleflax.weights.store import load_model, save_model

SECRET = "somebodys_machine"
CONFIG = Config(
    options={"width": 1 / 16},  # that of `model_file`
    init_from=f"/{SECRET}/start.safetensors",
    encoder=Encoder(weights=f"/{SECRET}/encoder.pth"),
    data=Data(
        content=f"image_folder:/{SECRET}+{SECRET}/photos+sample_photos",
        data_dir=f"/{SECRET}/data",
    ),
    phases=(Phase(steps=5, losses={"pixel": 1.0}), Phase(steps=5)),
)


def state_at(step, model_file):
    shift = np.float32(step / 100)
    params = jax.tree.map(lambda leaf: leaf + shift, model_file.players["model"])
    optimizer = make_optimizer(CONFIG.optimizer)
    return TrainState(
        step=np.int32(step),
        variables=Variables({"model": params}, {}),
        opt_state={"model": optimizer.init(params)},
        key=np.asarray(jax.random.key_data(jax.random.key(0))),
        skipped=np.int32(0),
        skipped_in_row=np.int32(0),
    )


@pytest.fixture(scope="module")
def run(model_file, tmp_path_factory):
    """A run's folder with checkpoints of steps 3 and 7."""
    folder = tmp_path_factory.mktemp("run")
    (folder / "config.json").write_text(to_json(CONFIG), "utf-8")
    encoder = model_file._replace(players={}, arithmetic={}, provenance={})
    save_model(folder / FILE_NAME, encoder, dtype=np.float32)
    checkpoints = Checkpoints(folder / "checkpoints", keep=3)
    for step in (3, 7):
        checkpoints.save(step, state_at(step, model_file), {"encoder": ""})
    checkpoints.close()
    return folder


def listing(folder):
    return {
        path: (path.stat().st_mtime_ns, path.stat().st_size)
        for path in folder.rglob("*")
    }


def test_exported_parameters_are_the_newest_checkpoints_in_float16(
    run, model_file, tmp_path
):
    save_model(tmp_path / "model.safetensors", read_run(run))
    exported = load_model(tmp_path / "model.safetensors")
    state = state_at(7, model_file)
    for got, expected in (
        (exported.players, state.variables.players),
        (exported.encoder_params, model_file.encoder_params),
    ):
        jax.tree.map(
            lambda g, e: np.testing.assert_array_equal(g, e.astype(np.float16)),
            got,
            expected,
        )
    assert exported.method == "adain"
    assert exported.encoder == model_file.encoder
    assert exported.arithmetic == dataclasses.asdict(CONFIG.arithmetic)
    assert exported.defaults == {"color_match": 1.0, "detail": 1.0}


def test_provenance_says_how_but_not_on_which_machine(run):
    provenance = read_run(run).provenance
    text = json.dumps(provenance)
    assert SECRET not in text
    assert provenance["steps"] == 7
    assert provenance["content"] == "image_folder:photos+sample_photos"
    assert provenance["encoder"]["weights"] == "encoder.pth"
    assert provenance["init_from"] == "start.safetensors"
    assert [phase["steps"] for phase in provenance["phases"]] == [5, 5]


@pytest.mark.parametrize(
    ("spec", "described"),
    [
        ("sample_photos", "sample_photos"),
        ("image_folder:/home/me/a+b/c", "image_folder:c"),
        ("coco_images:train2014+wikiart", "coco_images:train2014+wikiart"),
        ("procedural_art:seed=1,size_px=64", "procedural_art:seed=1,size_px=64"),
    ],
)
def test_specs_are_described_without_places(spec, described):
    assert describe_spec(spec) == described


def test_a_run_that_must_be_complete_is_refused_before_its_last_step(
    run, tmp_path, model_file
):
    with pytest.raises(ValueError, match="7 of 10 steps: start it again"):
        read_run(run, complete=True)
    copy = tmp_path / "run"
    shutil.copytree(run, copy)
    checkpoints = Checkpoints(copy / "checkpoints", keep=3)
    checkpoints.save(10, state_at(10, model_file), {"encoder": ""})
    checkpoints.close()
    assert read_run(copy, complete=True).provenance["steps"] == 10


def test_reading_a_run_changes_nothing_in_it_while_it_is_in_use(run):
    training = Checkpoints(run / "checkpoints", keep=3)
    before = listing(run)
    read_run(run)
    assert listing(run) == before
    training.close()


def test_damaged_newest_checkpoint_is_passed_over_and_left(run, tmp_path):
    copy = tmp_path / "run"
    shutil.copytree(run, copy)
    for path in (copy / "checkpoints" / "7").rglob("*"):
        if path.is_file():
            path.write_bytes(b"")
    before = listing(copy)
    assert read_run(copy).provenance["steps"] == 3
    assert listing(copy) == before


def test_folder_without_a_run_is_reported_with_what_makes_one(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"has no run; start one"):
        read_run(tmp_path)


def test_run_without_a_checkpoint_is_reported_with_what_makes_one(tmp_path):
    (tmp_path / "config.json").write_text(to_json(CONFIG), "utf-8")
    with pytest.raises(FileNotFoundError, match=r"no checkpoint .* train\.py"):
        read_run(tmp_path)


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"phases": [{}]}'])
def test_damaged_configuration_is_refused_by_name(tmp_path, text):
    (tmp_path / "config.json").write_text(text, "utf-8")
    with pytest.raises(ValueError, match=r"config\.json is damaged, or of another"):
        read_run(tmp_path)


def test_the_running_average_is_exported_where_there_is_one(model_file, tmp_path):
    optimizer = dataclasses.replace(CONFIG.optimizer, ema=0.99)
    config = dataclasses.replace(CONFIG, optimizer=optimizer)
    (tmp_path / "config.json").write_text(to_json(config), "utf-8")
    encoder = model_file._replace(players={}, arithmetic={}, provenance={})
    save_model(tmp_path / FILE_NAME, encoder, dtype=np.float32)
    average = state_at(99, model_file).variables
    state = state_at(3, model_file)._replace(average=average)
    checkpoints = Checkpoints(tmp_path / "checkpoints", keep=3)
    checkpoints.save(3, state, {"encoder": ""})
    checkpoints.close()
    exported = read_run(tmp_path)
    jax.tree.map(np.testing.assert_array_equal, exported.players, average.players)
    assert exported.provenance["steps"] == 3
