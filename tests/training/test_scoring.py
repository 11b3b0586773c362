"""Scores on validation pictures, and the best weights by them."""

import dataclasses
import json

import jax
import numpy as np
import pytest

from styleflax.training import loop, run
from styleflax.training.checkpoint import Checkpoints, leaf_digests, read_metrics
from styleflax.training.run import Scorer
from styleflax.weights.store import load_model


class Named(list):
    """Encoded pictures with names."""

    def name(self, index):
        return f"picture_{index}.png"


@pytest.fixture
def scored_config(tiny_config):
    """Scores at every third of twelve steps; half of the pictures are held out."""
    data = dataclasses.replace(
        tiny_config.data, validation_share=0.5, validation_salt="d"
    )
    run = dataclasses.replace(
        tiny_config.run,
        score_every_steps=3,
        num_scored=2,
        score_px=64,
        best_by="loss",
        log_every_steps=1,
    )
    return dataclasses.replace(tiny_config, data=data, run=run)


@pytest.fixture
def train_scored(train_tiny, pictures, monkeypatch):
    """`train(config, workdir, make_scorer)`, with pictures that have names."""
    named = tuple(map(Named, pictures))
    seen = []
    batches = run.phase_batches

    def watched(config, sources, *others):
        seen.append(sources)
        return batches(config, sources, *others)

    monkeypatch.setattr(loop, "open_sources", lambda *_: named)
    monkeypatch.setattr(run, "phase_batches", watched)

    def train(config, workdir, make_scorer=None):
        return train_tiny(config, workdir, make_scorer=make_scorer)

    train.seen = seen
    return train


def numbers(workdir, name):
    return {m["step"]: m[name] for m in read_metrics(workdir) if name in m}


def scorer_of(values):
    """A scorer that gives one number after another, by the name `made`."""
    queue = list(values)

    def make(method, batch):
        assert batch["content"].shape == batch["style"].shape == (2, 64, 64, 3)
        return Scorer(("made",), lambda variables, frozen: {"made": queue.pop(0)})

    return make


def by(config, **fields):
    return dataclasses.replace(config, run=dataclasses.replace(config.run, **fields))


def test_scores_are_written_at_their_steps_and_at_the_end(
    train_scored, scored_config, tmp_path
):
    config = by(scored_config, score_every_steps=5)
    train_scored(config, tmp_path, scorer_of([3.0, 2.0, 1.0]))
    assert numbers(tmp_path, "val_made") == {5: 3.0, 10: 2.0, 12: 1.0}
    assert numbers(tmp_path, "val_loss").keys() == {5, 10, 12}
    assert numbers(tmp_path, "val_pixel_loss").keys() == {5, 10, 12}
    assert [m["step"] for m in read_metrics(tmp_path)] == list(range(1, 13))


def test_validation_pictures_are_not_trained_on(train_scored, scored_config, tmp_path):
    train_scored(scored_config, tmp_path)
    held_out = json.loads((tmp_path / "config.json").read_text())["data"]
    assert held_out["validation_share"] == 0.5
    for sources in train_scored.seen:
        assert all(0 < len(source) < 8 for source in sources)


def test_scoring_changes_nothing_of_what_is_trained(
    train_scored, scored_config, tmp_path
):
    plain = train_scored(by(scored_config, score_every_steps=0), tmp_path / "plain")
    scored = train_scored(scored_config, tmp_path / "scored", scorer_of([4, 3, 2, 1]))
    assert leaf_digests(plain) == leaf_digests(scored)
    assert not numbers(tmp_path / "plain", "val_loss")


def test_the_best_weights_are_kept_beside_the_newest(
    train_scored, scored_config, tmp_path
):
    config = by(scored_config, best_by="made")
    end = train_scored(config, tmp_path, scorer_of([3.0, 1.0, 2.0, 1.5]))
    best = load_model(tmp_path / "best.safetensors")
    assert best.provenance["steps"] == 6
    assert best.provenance["scores"]["made"] == 1.0
    assert best.provenance["validation"]["share"] == 0.5
    inner = np.asarray(end.variables.players["model"]["inner"])
    assert not np.allclose(best.players["model"]["inner"], inner, atol=1e-3)


class KilledError(Exception):
    """Stands for a kill."""


@pytest.mark.parametrize("at", [1, 2, 3])
def test_a_killed_run_has_the_same_scores_and_the_same_best(
    at, train_scored, scored_config, tmp_path
):
    values = [3.0, 2.5, 2.7, 2.0]
    config = by(scored_config, best_by="made", checkpoint_every_steps=4)
    train_scored(config, tmp_path / "undisturbed", scorer_of(values))

    def make(method, batch):
        count = iter(range(9))

        def score(variables, frozen):
            seen = int(np.ravel(variables.state["seen"])[0]) // 3 - 1
            if seen == at and next(count) == 0 and killing:
                killing.clear()
                raise KilledError
            return {"made": values[seen]}

        return Scorer(("made",), score)

    killing = [True]
    with pytest.raises(KilledError):
        train_scored(config, tmp_path / "run", make)
    train_scored(config, tmp_path / "run", make)
    assert read_metrics(tmp_path / "run") == read_metrics(tmp_path / "undisturbed")
    files = [tmp_path / f / "best.safetensors" for f in ("run", "undisturbed")]
    assert files[0].read_bytes() == files[1].read_bytes()


def test_a_number_that_is_not_finite_is_never_the_best(
    train_scored, scored_config, tmp_path
):
    config = by(scored_config, best_by="made")
    train_scored(config, tmp_path, scorer_of([np.nan, 5.0, np.inf, np.nan]))
    assert load_model(tmp_path / "best.safetensors").provenance["steps"] == 6
    assert numbers(tmp_path, "val_made") == {3: None, 6: 5.0, 9: None, 12: None}


def test_an_unknown_number_is_refused_before_the_first_step(
    train_scored, scored_config, tmp_path
):
    config = by(scored_config, best_by="made+lpips")
    with pytest.raises(ValueError, match=r"run.best_by must be made of .*made.*eval"):
        train_scored(config, tmp_path, scorer_of([1.0]))
    assert not read_metrics(tmp_path)


def test_the_average_is_what_is_scored(train_scored, scored_config, tmp_path):
    optimizer = dataclasses.replace(scored_config.optimizer, ema=0.9)
    config = by(dataclasses.replace(scored_config, optimizer=optimizer), best_by="loss")
    seen = []

    def make(method, batch):
        def score(variables, frozen):
            seen.append(leaf_digests(jax.device_get(variables)))
            return {}

        return Scorer((), score)

    end = train_scored(config, tmp_path, make)
    assert seen[-1] == leaf_digests(end.average)


def test_the_split_stands_in_the_checkpoint_and_another_is_refused(
    train_scored, scored_config, tmp_path
):
    state = train_scored(scored_config, tmp_path)
    checkpoints = Checkpoints(tmp_path / "checkpoints", 3, read_only=True)
    _, notes = checkpoints.restore_newest(state)
    checkpoints.close()
    assert notes["validation"]["share"] == 0.5
    assert notes["validation"]["salt"] == "d"
    assert sum(notes["validation"]["num_pictures"]) > 1
    other = dataclasses.replace(scored_config.data, validation_salt="e")
    with pytest.raises(ValueError, match="validation_salt: was d, now e"):
        train_scored(dataclasses.replace(scored_config, data=other), tmp_path)
