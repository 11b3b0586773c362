"""A critic beside the model: both move at once, each by its own optimizer."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from tiny_run import make_tiny

from styleflax import methods
from styleflax.methods.base import Variables
from styleflax.parallel import local_devices, map_step, replicate
from styleflax.training.checkpoint import leaf_digests
from styleflax.training.phases import build_methods
from styleflax.training.step import create_state, make_train_step


def make_duel(losses=None, arithmetic=None, dtype=jnp.float32):
    """The tiny method; `adversarial` adds a critic that tells styles from results."""
    losses = losses or {"plain": 1.0}
    tiny = make_tiny(losses, arithmetic, dtype)
    if "adversarial" not in losses:
        return tiny

    def init(key):
        variables = tiny.init(key)
        critic = {"adversarial": {"way": jax.random.normal(key, (3,))}}
        return Variables({**variables.players, "critic": critic}, variables.state)

    def results(model, batch):
        return jnp.tanh(batch["content"] @ model["inner"]) @ model["outer"]

    def score(critic, images):
        return (images @ critic["adversarial"]["way"]).mean()

    def model_loss(own, variables, frozen, batch, key):
        value, aux = tiny.losses["model"](own, variables, frozen, batch, key)
        fooled = -score(variables.players["critic"], results(own, batch))
        return value + losses["adversarial"] * fooled, aux

    def critic_loss(own, variables, frozen, batch, key):
        made = results(variables.players["model"], batch)
        apart = score(own, made) - score(own, batch["style"])
        weight = jnp.square(own["adversarial"]["way"]).sum()
        return apart + weight, ({}, {})

    losses_of = {"model": model_loss, "critic": critic_loss}
    return tiny._replace(init=init, losses=losses_of)


@pytest.fixture
def duel_config(tiny_config, monkeypatch):
    """Two phases of six steps, the critic only in the second."""
    monkeypatch.setitem(methods.METHODS, "duel", make_duel)
    first, second = tiny_config.phases
    second = dataclasses.replace(second, losses={"noise": 0.1, "adversarial": 0.5})
    return dataclasses.replace(tiny_config, method="duel", phases=(first, second))


class KilledError(Exception):
    """Stands for a kill at a certain step."""


def sampler(ways, kill_after=None):
    """Notes what the critic is after every step, and ends a run after one of them."""

    def make(method):
        def draw(variables, frozen, batch):
            step = int(np.ravel(variables.state["seen"])[0])
            ways[step] = way_of(variables)
            if step == kill_after:
                raise KilledError
            return np.zeros((16, 16, 3), np.uint8)

        return draw

    return make


def way_of(variables):
    return np.asarray(variables.players["critic"]["adversarial"]["way"])


def test_a_run_killed_in_either_phase_ends_as_one_left_alone(
    duel_config, train_tiny, tmp_path
):
    sampled = dataclasses.replace(duel_config.run, sample_every_steps=1)
    config = dataclasses.replace(duel_config, run=sampled)
    ways = {}
    alone = train_tiny(config, tmp_path / "alone", sampler(ways))
    assert alone.variables.state["seen"] == 12  # the critic sets nothing of it
    for step in (3, 9):
        with pytest.raises(KilledError):
            train_tiny(config, tmp_path / "killed", sampler({}, kill_after=step))
    resumed = train_tiny(config, tmp_path / "killed", sampler({}))
    assert leaf_digests(resumed) == leaf_digests(alone)

    # Until the phase that trains it the critic is what it began as.
    begun = create_state(build_methods(config)[0], optax.identity(), config.seed)
    np.testing.assert_array_equal(ways[6], way_of(begun.variables))
    assert not np.array_equal(ways[7], ways[6])


def test_both_players_move_from_where_the_step_found_them_by_their_own_optimizers():
    method = make_duel({"plain": 1.0, "adversarial": 0.5})
    optimizer = optax.scale_by_adam()
    rng = np.random.default_rng(0)
    images = rng.uniform(size=(2, 4, 2, 2, 3)).astype(np.float32)
    batch = {"content": images[0], "style": images[1]}
    frozen = {"encoder": {"scale": np.float32([1.0])}}
    devices = local_devices(2)
    start = jax.device_get(create_state(method, optimizer, 0))
    step = map_step(make_train_step(method, optimizer, lambda i: 0.1), devices)
    end, metrics = jax.device_get(
        step(replicate(start, devices), replicate(frozen, devices), batch)
    )
    for player, loss in method.losses.items():
        own = start.variables.players[player]
        arguments = (own, start.variables, frozen, batch, jax.random.key(0))
        gradient = jax.jit(jax.grad(lambda *a, loss=loss: loss(*a)[0]))(*arguments)
        updates, state = optimizer.update(gradient, optimizer.init(own))
        jax.tree.map(
            lambda got, old, update: np.testing.assert_allclose(
                got, old - 0.1 * update, rtol=1e-3, atol=1e-5
            ),
            end.variables.players[player],
            own,
            updates,
        )
        assert end.opt_state[player].count == state.count == 1
    assert {"loss", "grad_norm", "critic_loss", "critic_grad_norm"} <= metrics.keys()
    assert metrics["critic_loss"] != metrics["loss"]
