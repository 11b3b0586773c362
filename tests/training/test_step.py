import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from styleflax.config import Optimizer
from styleflax.parallel import local_devices, map_step, replicate
from styleflax.training.step import create_state, make_optimizer, make_train_step


@pytest.fixture
def batch():
    rng = np.random.default_rng(1)
    images = rng.uniform(0, 1, (2, 8, 4, 4, 3)).astype(np.float32)
    return {"content": images[0], "style": images[1]}


@pytest.fixture
def run_steps(tiny_method):
    """State and metrics after a step on each batch."""

    def run(
        batches,
        losses,
        *,
        num_devices=2,
        mode="pmap",
        optimizer=None,
        state=None,
        **options,
    ):
        method = tiny_method(losses)
        optimizer = optimizer or optax.identity()
        devices = local_devices(num_devices)
        step = make_train_step(method, optimizer, lambda i: 0.1, **options)
        mapped = map_step(step, devices, mode)
        state = state or create_state(method, optimizer, 0)
        state = replicate(state, devices)
        frozen = replicate({"encoder": {"scale": np.float32([1.0])}}, devices)
        history = []
        for one in batches:
            state, metrics = mapped(state, frozen, one)
            history.append(jax.device_get(metrics))
        return jax.device_get(state), history

    return run


def trees_equal(left, right):
    pairs = zip(jax.tree.leaves(left), jax.tree.leaves(right), strict=True)
    return all(np.array_equal(a, b) for a, b in pairs)


def relative_change(got, expected, start):
    """Relative L2 of the change, and ratio of its norms minus one."""

    def flat(tree):
        pairs = zip(jax.tree.leaves(tree), jax.tree.leaves(start), strict=True)
        return np.concatenate([np.ravel(np.float64(a) - b) for a, b in pairs])

    got, expected = flat(got), flat(expected)
    norm = np.linalg.norm(expected)
    return np.linalg.norm(got - expected) / norm, np.linalg.norm(got) / norm - 1


@pytest.mark.parametrize(
    ("num_devices", "mode", "parts"),
    [(2, "pmap", 1), (2, "shard_map", 1), (1, "pmap", 4), (2, "shard_map", 4)],
)
def test_shares_and_parts_of_a_batch_equal_the_whole(
    run_steps, batch, num_devices, mode, parts
):
    losses = {"plain": 1.0}
    start, _ = run_steps([], losses)
    whole, whole_metrics = run_steps([batch] * 3, losses, num_devices=1)
    parts, metrics = run_steps(
        [batch] * 3,
        losses,
        num_devices=num_devices,
        mode=mode,
        accumulate_steps=parts,
    )
    l2, ratio = relative_change(parts.variables, whole.variables, start.variables)
    assert l2 < 1e-5
    assert abs(ratio) < 1e-4
    for got, expected in zip(metrics, whole_metrics, strict=True):
        assert got.keys() == expected.keys()
        assert got["loss"] == pytest.approx(expected["loss"], rel=1e-5)
        assert got["grad_norm"] == pytest.approx(expected["grad_norm"], rel=1e-5)


def test_pmap_equals_shard_map(run_steps, batch):
    start, _ = run_steps([], {"noise": 0.1})
    by_pmap, _ = run_steps([batch] * 2, {"noise": 0.1})
    by_shard_map, _ = run_steps([batch] * 2, {"noise": 0.1}, mode="shard_map")
    changes = (by_shard_map.variables, by_pmap.variables, start.variables)
    l2, ratio = relative_change(*changes)
    assert l2 < 1e-6
    assert abs(ratio) < 1e-6


def test_the_step_is_plain_gradient_descent(run_steps, batch, tiny_method):
    method = tiny_method({"plain": 1.0})
    start, _ = run_steps([], {"plain": 1.0})
    end, metrics = run_steps([batch], {"plain": 1.0})
    (value, _), grads = jax.value_and_grad(method.losses["model"], has_aux=True)(
        start.variables.players["model"],
        start.variables,
        {"encoder": {"scale": jnp.ones(1)}},
        batch,
        jax.random.key(0),
    )
    assert metrics[0]["loss"] == pytest.approx(float(value), rel=1e-5)
    norm = optax.tree.norm(grads)
    assert metrics[0]["grad_norm"] == pytest.approx(float(norm), rel=1e-5)
    for name, grad in grads.items():
        change = (
            end.variables.players["model"][name]
            - start.variables.players["model"][name]
        )
        np.testing.assert_allclose(change, -0.1 * grad, rtol=1e-4, atol=1e-7)
    assert end.variables.state["seen"] == 1


def test_bytes_are_pictures_in_0_to_1(run_steps, batch):
    bytes_u8 = {k: np.uint8(np.round(255 * v)) for k, v in batch.items()}
    floats = {k: v.astype(np.float32) / 255.0 for k, v in bytes_u8.items()}
    _, from_bytes = run_steps([bytes_u8], {"plain": 1.0})
    _, from_floats = run_steps([floats], {"plain": 1.0})
    assert from_bytes[0]["loss"] == pytest.approx(from_floats[0]["loss"], rel=1e-6)


def test_noise_is_that_of_the_step_number_alone(run_steps, batch):
    losses = {"noise": 1.0}
    two, history = run_steps([batch] * 2, losses)
    one, _ = run_steps([batch], losses)
    resumed, again = run_steps([batch], losses, state=one)
    assert trees_equal(two, resumed)
    assert again[0]["loss"] == history[1]["loss"] != history[0]["loss"]


def test_devices_draw_noise_of_their_own(tiny_method, run_steps):
    method = tiny_method({})

    def loss(own, variables, frozen, images, key):
        drawn = jax.random.normal(key)
        return 0.0 * own["inner"].sum(), ({"mean": drawn, "square": drawn**2}, {})

    noisy = method._replace(losses={"model": loss})
    devices = local_devices(2)
    step = map_step(make_train_step(noisy, optax.identity(), lambda i: 1.0), devices)
    start = create_state(method, optax.identity(), 0)
    start = start._replace(variables=start.variables._replace(state={}))
    batch = {"content": np.zeros((2, 1, 1, 3), np.float32)}
    _, metrics = step(replicate(start, devices), replicate({}, devices), batch)
    assert metrics["square"] - metrics["mean"] ** 2 > 1e-3


def nan_on_the_second_device(batch):
    content = batch["content"].copy()
    content[5] = 1.0
    return batch | {"content": content}


def test_a_nan_of_one_device_is_skipped_on_all(run_steps, batch):
    losses, bad = {"nan": 1.0}, nan_on_the_second_device(batch)
    optimizer = make_optimizer(Optimizer())
    before, _ = run_steps([batch], losses, optimizer=optimizer)
    after, history = run_steps([batch, bad], losses, optimizer=optimizer)
    assert trees_equal(before.variables, after.variables)
    assert trees_equal(before.opt_state, after.opt_state)
    assert (after.step, after.skipped, after.skipped_in_row) == (2, 1, 1)
    assert [m["skipped"] for m in history] == [0, 1]
    assert np.isnan(history[1]["loss"])


def test_every_device_holds_the_same_after_a_skipped_step(tiny_method, batch):
    method, optimizer = tiny_method({"nan": 1.0}), make_optimizer(Optimizer())
    devices = local_devices(2)
    step = make_train_step(method, optimizer, lambda i: 0.1)
    frozen = replicate({"encoder": {"scale": np.float32([1.0])}}, devices)
    state = replicate(create_state(method, optimizer, 0), devices)
    for one in (batch, nan_on_the_second_device(batch), batch):
        state, _ = map_step(step, devices)(state, frozen, one)
    for leaf in jax.tree.leaves(state):
        first, second = (np.asarray(shard.data) for shard in leaf.addressable_shards)
        np.testing.assert_array_equal(first, second)
    assert state.skipped_in_row == 0
    assert state.skipped == 1


def test_after_too_many_bad_steps_in_a_row_nothing_changes_any_more(run_steps, batch):
    bad = nan_on_the_second_device(batch)
    before, _ = run_steps([batch], {"nan": 1.0})
    after, history = run_steps(
        [batch, bad, bad, batch, batch], {"nan": 1.0}, max_nonfinite_steps=2
    )
    assert trees_equal(before.variables, after.variables)
    assert [m["skipped_in_row"] for m in history] == [0, 1, 2, 3, 4]


def test_bad_steps_that_are_not_in_a_row_do_not_stop_training(run_steps, batch):
    bad = nan_on_the_second_device(batch)
    after, history = run_steps(
        [bad, batch, bad, batch], {"nan": 1.0}, max_nonfinite_steps=2
    )
    assert [m["skipped_in_row"] for m in history] == [1, 0, 1, 0]
    assert after.skipped == 2


def test_an_infinite_gradient_of_a_finite_loss_is_skipped(tiny_method, batch):
    def loss(own, variables, frozen, images, key):
        # The square root's derivative at 0 is infinite, its value is not.
        return jnp.sqrt(0.0 * own["inner"].sum()), ({}, variables.state)

    method = tiny_method({})._replace(losses={"model": loss})
    devices = local_devices(1)
    step = make_train_step(method, optax.identity(), lambda i: 1.0)
    start = create_state(method, optax.identity(), 0)
    before = jax.device_get(start.variables)
    end, metrics = map_step(step, devices)(
        replicate(start, devices), replicate({}, devices), batch
    )
    assert metrics["loss"] == 0
    assert metrics["skipped"] == 1
    assert trees_equal(jax.device_get(end.variables), before)
