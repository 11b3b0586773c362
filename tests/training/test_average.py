"""The running average of the weights."""

import dataclasses
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from styleflax.config import Optimizer
from styleflax.methods.base import Variables
from styleflax.parallel import local_devices, map_step, replicate
from styleflax.training.checkpoint import Checkpoints, leaf_digests, read_metrics
from styleflax.training.step import (
    create_state,
    make_optimizer,
    make_train_step,
    move_average,
)

FROZEN = {"encoder": {"scale": np.float32([1.0])}}


@pytest.fixture
def averaged_config(tiny_config):
    optimizer = dataclasses.replace(tiny_config.optimizer, ema=0.9)
    return dataclasses.replace(tiny_config, optimizer=optimizer)


def batch(seed):
    drawn = np.random.default_rng(seed).random((2, 4, 4, 4, 3), np.float32)
    return {"content": drawn[0], "style": drawn[1]}


def steps(tiny_method, batches, ema, losses=None):
    """States before the first step and after each, and the last one's metrics."""
    method, optimizer = tiny_method(losses or {"plain": 1.0}), optax.identity()
    devices = local_devices(1)
    step = make_train_step(method, optimizer, lambda _: 0.1, ema=ema)
    state = create_state(method, optimizer, 0, with_average=True)
    states, state = [jax.device_get(state)], replicate(state, devices)
    mapped, metrics = map_step(step, devices), {}
    for one in batches:
        state, metrics = mapped(state, replicate(FROZEN, devices), one)
        states.append(jax.device_get(state))
    return states, jax.device_get(metrics)


def test_the_average_follows_its_formula(tiny_method):
    states, _ = steps(tiny_method, [batch(i) for i in range(6)], ema=0.3)
    expected = np.float64(states[0].variables.players["model"]["inner"])
    for number, state in enumerate(states[1:]):
        kept = min(0.3, (1 + number) / (10 + number))
        new = state.variables.players["model"]["inner"]
        expected = kept * expected + (1 - kept) * new
        got = state.average.players["model"]["inner"]
        np.testing.assert_allclose(got, expected, rtol=1e-5, atol=1e-7)
    assert not np.allclose(got, new, atol=1e-4)


def test_what_stays_the_same_is_its_own_average_to_the_bit():
    variables = Variables({"model": jnp.float32([0.1, 1e-20, -3.7e5])}, {})
    moved = move_average(variables, variables, jnp.int32(7), 0.999)
    np.testing.assert_array_equal(moved.players["model"], variables.players["model"])


def test_a_skipped_step_does_not_move_the_average(tiny_method):
    white = {**batch(1), "content": np.ones((4, 4, 4, 3), np.float32)}
    states, metrics = steps(tiny_method, [batch(0), white], 0.5, {"nan": 1.0})
    assert metrics["skipped"] == 1
    assert leaf_digests(states[2].average) == leaf_digests(states[1].average)


def test_the_average_changes_nothing_of_what_is_trained(
    train_tiny, tiny_config, averaged_config, tmp_path
):
    plain = train_tiny(tiny_config, tmp_path / "plain")
    averaged = train_tiny(averaged_config, tmp_path / "averaged")
    assert plain.average is None
    assert leaf_digests(plain.variables) == leaf_digests(averaged.variables)
    assert read_metrics(tmp_path / "plain") == read_metrics(tmp_path / "averaged")


class KilledError(Exception):
    """Stands for a kill."""


@pytest.mark.parametrize("at", [3, 7])
def test_a_killed_run_has_the_same_average_to_the_bit(
    at, train_tiny, averaged_config, tmp_path
):
    undisturbed = train_tiny(averaged_config, tmp_path / "undisturbed")
    killed = dataclasses.replace(
        averaged_config,
        run=dataclasses.replace(averaged_config.run, sample_every_steps=at),
    )

    def make_sampler(_):
        def draw(*_):
            raise KilledError

        return draw

    with pytest.raises(KilledError):
        train_tiny(killed, tmp_path / "run", make_sampler)
    resumed = train_tiny(averaged_config, tmp_path / "run")
    assert leaf_digests(resumed) == leaf_digests(undisturbed)
    assert leaf_digests(resumed.average) != leaf_digests(resumed.variables)


def test_samples_show_the_average(train_tiny, averaged_config, tmp_path):
    shown = []

    def make_sampler(_):
        def draw(variables, _frozen, _batch):
            shown.append(jax.device_get(variables))
            return np.zeros((16, 16, 3), np.uint8)

        return draw

    run = dataclasses.replace(averaged_config.run, sample_every_steps=12)
    config = dataclasses.replace(averaged_config, run=run)
    end = train_tiny(config, tmp_path, make_sampler)
    assert leaf_digests(shown[-1]) == leaf_digests(end.average)


class OldState(NamedTuple):
    """The fields of a state in version 0.1.0."""

    step: Any
    variables: Any
    opt_state: Any
    key: Any
    skipped: Any
    skipped_in_row: Any


def test_checkpoints_from_before_there_were_averages_are_read(tiny_method, tmp_path):
    optimizer = make_optimizer(Optimizer())
    state = create_state(tiny_method({"plain": 1.0}), optimizer, 0)
    checkpoints = Checkpoints(tmp_path / "checkpoints", 3)
    checkpoints.save(3, OldState(*state[:6]), {"encoder": "abc"})
    checkpoints.wait()
    read, notes = checkpoints.restore_newest(state)
    checkpoints.close()
    assert leaf_digests(read) == leaf_digests(state)
    assert read.average is None
    assert notes == {"encoder": "abc"}
