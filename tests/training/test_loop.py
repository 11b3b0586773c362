import dataclasses
import os
import shutil
import signal

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from styleflax import memory, methods
from styleflax.memory import NotEnoughMemoryError
from styleflax.training import loop
from styleflax.training.checkpoint import leaf_digests, read_metrics
from styleflax.weights.store import load_model, save_model


class KilledError(Exception):
    """Stands for a kill at a certain step."""


def sampler_that(acts, at_step):
    """A sampler that acts once, after a step, before its picture is written."""

    def make(method):
        def draw(variables, frozen, batch):
            if int(np.ravel(variables.state["seen"])[0]) == at_step:
                acts()
            return np.zeros((16, 16, 3), np.uint8)

        return draw

    return make


def kill():
    raise KilledError


def with_run(config, **fields):
    return dataclasses.replace(config, run=dataclasses.replace(config.run, **fields))


_once = {}


@pytest.fixture
def uninterrupted(train_tiny, tiny_config, tmp_path, tmp_path_factory):
    """Digests of the end state, and metrics, of a run that was left alone."""
    if not _once:
        _once["folder"] = tmp_path_factory.mktemp("uninterrupted")
        _once["state"] = leaf_digests(train_tiny(tiny_config, _once["folder"]))
    shutil.copytree(_once["folder"], tmp_path / "uninterrupted")
    return _once["state"], read_metrics(tmp_path / "uninterrupted")


@pytest.mark.parametrize("step", [1, 6, 9])
def test_a_run_killed_after_any_step_ends_like_an_uninterrupted_one(
    step, train_tiny, tiny_config, tmp_path, uninterrupted
):
    config = with_run(tiny_config, sample_every_steps=1, log_every_steps=1)
    with pytest.raises(KilledError):
        train_tiny(config, tmp_path / "run", sampler_that(kill, step))
    state = train_tiny(config, tmp_path / "run", sampler_that(kill, 99))
    assert (leaf_digests(state), read_metrics(tmp_path / "run")) == uninterrupted


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_stops_after_the_step_and_saves(
    number, train_tiny, tiny_config, tmp_path, uninterrupted, warnings_logged
):
    config = with_run(tiny_config, sample_every_steps=1, checkpoint_every_steps=50)
    handler = signal.getsignal(number)
    stop = sampler_that(lambda: os.kill(os.getpid(), number), 3)
    stopped = train_tiny(config, tmp_path / "run", stop)
    assert stopped.step == 4
    assert signal.Signals(number).name in warnings_logged()
    assert signal.getsignal(number) is handler
    assert [m["step"] for m in read_metrics(tmp_path / "run")] == [1, 2, 3, 4]
    state = train_tiny(tiny_config, tmp_path / "run")
    assert (leaf_digests(state), read_metrics(tmp_path / "run")) == uninterrupted


def test_metrics_hold_every_step_once_with_its_rate(uninterrupted):
    _, metrics = uninterrupted
    assert [m["step"] for m in metrics] == list(range(1, 13))
    # Both phases begin at the full rate of their own schedule.
    rates = [m["learning_rate"] for m in metrics]
    expected = [1e-2 / (1 + 5e-5 * (i % 6)) for i in range(12)]
    np.testing.assert_allclose(rates, expected, rtol=1e-6)


def test_a_finished_run_has_nothing_left_to_do(
    train_tiny, tiny_config, tmp_path, uninterrupted
):
    state = train_tiny(tiny_config, tmp_path / "uninterrupted")
    assert leaf_digests(state) == uninterrupted[0]
    assert read_metrics(tmp_path / "uninterrupted") == uninterrupted[1]


def test_a_longer_last_phase_goes_on_from_a_finished_run(
    train_tiny, tiny_config, tmp_path, uninterrupted
):
    first, last = tiny_config.phases
    longer = dataclasses.replace(
        tiny_config, phases=(first, dataclasses.replace(last, steps=8))
    )
    went_on = train_tiny(longer, tmp_path / "uninterrupted")
    at_once = train_tiny(longer, tmp_path / "run")
    assert leaf_digests(went_on) == leaf_digests(at_once)
    assert read_metrics(tmp_path / "run") == read_metrics(tmp_path / "uninterrupted")


def test_a_damaged_checkpoint_costs_only_the_steps_since_the_one_before(
    train_tiny, tiny_config, tmp_path, uninterrupted, warnings_logged
):
    run = tmp_path / "uninterrupted"
    for step in (10, 12):
        for file in (run / "checkpoints" / str(step) / "state").rglob("*"):
            if file.is_file():
                file.write_bytes(file.read_bytes()[:-5])
    state = train_tiny(tiny_config, run)
    assert "checkpoint 12 is damaged" in warnings_logged()
    assert "checkpoint 10 is damaged" in warnings_logged()
    assert (leaf_digests(state), read_metrics(run)) == uninterrupted


def test_a_run_without_one_intact_checkpoint_starts_anew(
    train_tiny, tiny_config, tmp_path, uninterrupted, warnings_logged
):
    run = tmp_path / "uninterrupted"
    for file in (run / "checkpoints").rglob("*"):
        if file.is_file():
            file.write_bytes(b"")
    state = train_tiny(tiny_config, run)
    assert "no checkpoint in" in warnings_logged()
    assert (leaf_digests(state), read_metrics(run)) == uninterrupted
    assert len(list((run / "checkpoints_damaged").iterdir())) == 3


def test_training_that_diverges_stops_and_keeps_its_last_good_checkpoint(
    train_tiny, tiny_method, tiny_config, tmp_path, monkeypatch
):
    def nan_from_the_fifth_step(losses, **options):
        method = tiny_method(losses, **options)

        def loss(own, variables, *arguments):
            value, aux = method.losses["model"](own, variables, *arguments)
            return jnp.where(variables.state["seen"] >= 4, jnp.nan, value), aux

        return method._replace(losses={"model": loss})

    monkeypatch.setitem(methods.METHODS, "tiny", nan_from_the_fifth_step)
    with pytest.raises(loop.TrainingDivergedError, match=r"step 7; .* step 6") as error:
        train_tiny(with_run(tiny_config, log_every_steps=1), tmp_path / "run")
    assert "3 steps in a row" in str(error.value)
    lines = read_metrics(tmp_path / "run")
    assert [m["skipped"] for m in lines] == [0, 0, 0, 0, 1, 1, 1]
    assert lines[-1]["loss"] is None
    folders = {p.name for p in (tmp_path / "run" / "checkpoints").iterdir()}
    assert folders == {"2", "4", "6"}


def test_samples_are_written_at_their_steps_and_at_the_end(
    train_tiny, tiny_config, tmp_path
):
    config = with_run(tiny_config, sample_every_steps=5)
    train_tiny(config, tmp_path / "run", sampler_that(kill, 99))
    names = sorted(p.name for p in (tmp_path / "run" / "samples").iterdir())
    assert names == [f"step_{i:07d}.png" for i in (5, 10, 12)]


def test_another_environment_is_warned_about(
    train_tiny, tiny_config, tmp_path, uninterrupted, warnings_logged
):
    state = train_tiny(with_run(tiny_config, num_devices=2), tmp_path / "uninterrupted")
    assert "num_devices: 1 -> 2" in warnings_logged()
    assert leaf_digests(state) == uninterrupted[0]


def test_the_same_environment_is_not_warned_about(
    train_tiny, tiny_config, tmp_path, uninterrupted, warnings_logged
):
    train_tiny(tiny_config, tmp_path / "uninterrupted")
    assert not warnings_logged()


def test_an_encoder_that_was_exchanged_is_refused(
    train_tiny, tiny_config, tmp_path, uninterrupted
):
    path = tmp_path / "uninterrupted" / "encoder.safetensors"
    model = load_model(path)
    save_model(path, model._replace(encoder_params={"scale": np.float32([2.0])}))
    with pytest.raises(ValueError, match="encoder is not the one"):
        train_tiny(tiny_config, tmp_path / "uninterrupted")


def test_a_mistake_in_a_later_phase_is_reported_before_the_first(
    train_tiny, tiny_config, tmp_path
):
    config = dataclasses.replace(tiny_config, method="adain")
    with pytest.raises(ValueError, match=r"losses must be among .*got \['noise'\]"):
        train_tiny(
            dataclasses.replace(
                config,
                phases=(
                    dataclasses.replace(config.phases[0], losses={"pixel": 1.0}),
                    config.phases[1],
                ),
            ),
            tmp_path / "run",
        )
    assert not (tmp_path / "run" / "config.json").exists()


def test_a_batch_that_does_not_divide_is_refused(train_tiny, tiny_config, tmp_path):
    config = with_run(tiny_config, num_devices=2)
    config.phases[1].batch_size = 3
    with pytest.raises(ValueError, match=r"phases\[1\].batch_size must be a multiple"):
        train_tiny(config, tmp_path / "run")


def test_other_parallel_modes_give_the_same_run(
    train_tiny, tiny_config, tmp_path, uninterrupted
):
    config = with_run(tiny_config, parallel="shard_map", num_devices=2)
    train_tiny(config, tmp_path / "run")
    # The noise of the second phase is drawn by each device for itself.
    got = [m["loss"] for m in read_metrics(tmp_path / "run")[:6]]
    expected = [m["loss"] for m in uninterrupted[1][:6]]
    np.testing.assert_allclose(got, expected, rtol=1e-4)


def test_bfloat16_trains_with_parameters_in_float32(
    train_tiny, tiny_config, tmp_path, uninterrupted
):
    config = dataclasses.replace(tiny_config, compute_dtype="bfloat16")
    state = train_tiny(config, tmp_path / "run")
    assert {str(leaf.dtype) for leaf in jax.tree.leaves(state.variables)} == {"float32"}
    got = [m["loss"] for m in read_metrics(tmp_path / "run")]
    expected = [m["loss"] for m in uninterrupted[1]]
    np.testing.assert_allclose(got, expected, rtol=0.05)
    assert got != expected


def test_a_step_that_does_not_fit_into_memory_says_what_to_do(
    train_tiny, tiny_config, tmp_path, monkeypatch
):
    monkeypatch.setattr(memory, "SMALL_BYTES", 0)
    monkeypatch.setattr(memory, "available_bytes", lambda: 10_000)
    with pytest.raises(NotEnoughMemoryError) as error:
        train_tiny(tiny_config, tmp_path / "run")
    text = str(error.value)
    assert text.startswith("training on 4 crops of 16 px (phases[0]) needs about ")
    assert "--config.phases[0].batch_size" in text
    assert "--config.optimizer.accumulate_steps=2" in text
