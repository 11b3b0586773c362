"""What makes training fast on accelerators, as far as a CPU can show it."""

import dataclasses

import jax
import numpy as np
import numpy_adain
import numpy_sanet
import optax
import pytest

from styleflax.config import SANetOptions
from styleflax.methods.base import Variables
from styleflax.methods.sanet import make_sanet
from styleflax.parallel import local_devices, map_step, replicate
from styleflax.training import loop
from styleflax.training.step import create_state, make_train_step


@pytest.mark.parametrize("mode", ["pmap", "shard_map"])
def test_the_states_memory_is_given_to_the_next_state(mode, tiny_method):
    devices, method = local_devices(2), tiny_method({"plain": 1.0})
    step = make_train_step(method, optax.adam(1.0), lambda i: 0.1)
    frozen = replicate({"encoder": {"scale": np.float32([1.0])}}, devices)
    batch = {k: np.zeros((2, 4, 4, 3), np.float32) for k in ("content", "style")}
    before = replicate(create_state(method, optax.adam(1.0), 0), devices)
    jax.block_until_ready(map_step(step, devices, mode)(before, frozen, batch))
    assert all(leaf.is_deleted() for leaf in jax.tree.leaves(before))
    assert not any(leaf.is_deleted() for leaf in jax.tree.leaves(frozen))


def test_values_leave_the_devices_only_to_be_logged_or_saved(
    train_tiny, tiny_config, tmp_path, monkeypatch
):
    # jax.transfer_guard does not see CPU arrays, which are on the host already;
    # but all that reads them, float() and np.asarray() included, comes here.
    array_type = type(jax.numpy.zeros(()))
    value, events = array_type._value, []

    def record(name, function):
        def recorded(*arguments):
            events.append(name)
            return function(*arguments)

        return recorded

    monkeypatch.setattr(array_type, "_value", property(record("read", value.fget)))
    monkeypatch.setattr(loop, "_log", record("log", loop._log))
    make_step = loop._make_step
    monkeypatch.setattr(
        loop, "_make_step", lambda *all: record("step", make_step(*all))
    )
    every = {"log_every_steps": 3, "checkpoint_every_steps": 6}
    run = dataclasses.replace(tiny_config.run, **every)
    train_tiny(dataclasses.replace(tiny_config, run=run), tmp_path)
    first = events[events.index("step") : len(events) - events[::-1].index("log")]
    at_log = [i for i, event in enumerate(first) if event == "log"]
    assert len(at_log) == 4
    assert events.count("step") == 12
    for start, end in zip([-1, *at_log], at_log, strict=False):
        steps = [i for i in range(start + 1, end) if first[i] == "step"]
        assert len(steps) == 3
        assert "read" not in first[steps[0] : end]
    assert "read" in events


def test_sanets_batch_in_parts_is_the_whole_batch():
    weights = {
        "content": 1.0,
        "style": 3.0,
        "identity_pixels": 50.0,
        "identity_features": 1.0,
    }
    method = make_sanet(weights, SANetOptions(native=True, width=numpy_adain.WIDTH))
    params = numpy_sanet.random_model()
    method = method._replace(init=lambda key: Variables({"model": params}, {}))
    devices = local_devices(1)
    images = np.random.default_rng(0).uniform(0, 1, (2, 2, 16, 16, 3))
    batch = dict(zip(("content", "style"), np.float32(images), strict=True))
    frozen = replicate({"encoder": numpy_sanet.random_encoder()}, devices)
    changes, losses = [], []
    for parts in (1, 2):
        step = make_train_step(
            method, optax.identity(), lambda i: 1e-3, accumulate_steps=parts
        )
        state = replicate(create_state(method, optax.identity(), 0), devices)
        state, metrics = map_step(step, devices)(state, frozen, batch)
        moved = jax.device_get(state.variables.players["model"])
        pairs = zip(jax.tree.leaves(moved), jax.tree.leaves(params), strict=True)
        changes.append(np.concatenate([np.ravel(a - b) for a, b in pairs]))
        losses.append({k: float(v) for k, v in metrics.items()})
    whole, parts = changes
    assert np.linalg.norm(parts - whole) < 1e-4 * np.linalg.norm(whole)
    assert losses[1] == pytest.approx(losses[0], rel=1e-4)
