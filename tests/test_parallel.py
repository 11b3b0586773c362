import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from styleflax.config import AdaINOptions, Optimizer
from styleflax.methods.adain import make_adain
from styleflax.models.vgg import VGG
from styleflax.parallel import (
    check_divides,
    local_devices,
    map_rows,
    map_step,
    replicate,
)
from styleflax.training.step import create_state, make_optimizer, make_train_step

LOSSES = {"content": 1.0, "style": 10.0}


def drawn(init, *arguments):
    """Parameters as `init` makes them; drawn by NumPy, which need not compile."""
    rng = np.random.default_rng(1)

    def draw(leaf):
        fan_in = np.prod(leaf.shape[:-1])
        return np.float32(rng.standard_normal(leaf.shape) * np.sqrt(2 / fan_in))

    return jax.tree.map(draw, jax.eval_shape(init, *arguments))


@pytest.fixture(scope="module")
def frozen():
    # Narrow where the decoder does not mind, for speed.
    encoder = VGG(("relu4_1",), widths=(8, 8, 16, 512, 512))
    images = jnp.zeros((1, 16, 16, 3))
    return {"encoder": drawn(encoder.init, jax.random.key(0), images)["params"]}


def change(start, players):
    pairs = zip(jax.tree.leaves(players), jax.tree.leaves(start), strict=True)
    return np.concatenate([np.ravel(np.float64(a) - b) for a, b in pairs])


def test_two_devices_equal_one_under_gradient_descent(frozen):
    # Of AdaIN itself; Adam would hide gradients that are too large throughout.
    # test_step.py compares all modes with fewer parameters.
    rng = np.random.default_rng(0)
    batch = {
        name: rng.uniform(0, 1, (4, 16, 16, 3)).astype(np.float32)
        for name in ("content", "style")
    }
    method = make_adain(LOSSES, AdaINOptions(native=True))  # compiles faster
    start = drawn(method.init, jax.random.key(0))
    method = method._replace(init=lambda key: start)
    optimizer = optax.identity()
    step = make_train_step(method, optimizer, lambda i: 1e-3)
    changes, all_metrics = [], []
    for num_devices, mode in ((1, "pmap"), (2, "shard_map")):
        devices = local_devices(num_devices)
        mapped = map_step(step, devices, mode)
        state = replicate(create_state(method, optimizer, 0), devices)
        for _ in range(2):
            state, metrics = mapped(state, replicate(frozen, devices), batch)
            jax.block_until_ready(metrics)
        changes.append(change(start.players, state.variables.players))
        all_metrics.append(metrics)
    expected, got = changes
    norm = np.linalg.norm(expected)
    assert norm > 0
    assert np.linalg.norm(got - expected) / norm < 1e-5
    assert abs(np.linalg.norm(got) / norm - 1) < 1e-4
    assert all_metrics[0].keys() == all_metrics[1].keys()
    for name, value in all_metrics[0].items():
        np.testing.assert_allclose(all_metrics[1][name], value, 1e-4, err_msg=name)


@pytest.mark.parametrize("mode", ["pmap", "shard_map"])
def test_every_device_takes_its_own_share(mode):
    devices = local_devices(2)

    def step(state, frozen, batch):
        index = jax.lax.axis_index("data")
        return state + 1, jax.lax.psum((1 + index) * batch.sum(), "data")

    mapped = map_step(step, devices, mode)
    batch = np.arange(6, dtype=np.float32).reshape(6, 1)
    state, total = mapped(replicate(np.float32(0), devices), {}, batch)
    assert float(total) == 1 * (0 + 1 + 2) + 2 * (3 + 4 + 5)
    assert float(state) == 1
    assert state.sharding.is_fully_replicated


def test_replicated_leaves_are_whole_on_every_device():
    tree = replicate({"a": np.arange(4.0)}, local_devices(2))
    shards = tree["a"].addressable_shards
    assert len({shard.device for shard in shards}) == 2
    for shard in shards:
        np.testing.assert_array_equal(shard.data, np.arange(4.0))


def test_all_devices_are_the_default():
    assert local_devices() == jax.local_devices()
    assert local_devices(1) == jax.local_devices()[:1]


def test_more_devices_than_there_are_is_an_error():
    with pytest.raises(ValueError, match=r"run\.num_devices is 99, but there are"):
        local_devices(99)


def test_a_batch_that_does_not_divide_is_an_error():
    check_divides(6, 3)
    with pytest.raises(
        ValueError, match="batch_size must be a multiple of the 4 devices"
    ):
        check_divides(6, 4)


@pytest.mark.slow
def test_adain_trains_in_bfloat16_as_in_float32(frozen):
    rng = np.random.default_rng(0)
    images = rng.uniform(0, 1, (2, 2, 16, 16, 3)).astype(np.float32)
    batch = {"content": images[0], "style": images[1]}
    losses = {"content": 1.0, "style": 5.0, "pixel": 1.0, "identity": 1.0}
    optimizer, devices = make_optimizer(Optimizer()), local_devices(1)
    histories = []
    for dtype in ("bfloat16", "float32"):
        method = make_adain(losses, dtype=dtype)
        start = drawn(method.init, jax.random.key(0))
        state = create_state(method._replace(init=lambda _, s=start: s), optimizer, 0)
        state = replicate(state, devices)
        step = map_step(make_train_step(method, optimizer, lambda i: 1e-5), devices)
        histories.append([])
        for _ in range(5):
            state, metrics = step(state, replicate(frozen, devices), batch)
            histories[-1].append(float(metrics["loss"]))
        assert state.skipped == 0
        assert {str(x.dtype) for x in jax.tree.leaves(state.variables)} == {"float32"}
    assert np.isfinite(histories).all()
    np.testing.assert_allclose(*histories, rtol=0.05)


@pytest.mark.parametrize("size", [1, 2, 3])
def test_rows_dealt_out_equal_rows_on_one_device(size):
    def function(constants, arguments, rows):
        assert rows["x"].shape[0] in (size, 1, 2)
        return {"y": constants * rows["x"] + arguments["shift"]}

    rows = {"x": np.arange(2.0 * size, dtype=np.float32).reshape(size, 2)}
    arguments = {"shift": np.float32(1)}
    for count in (1, 2):
        run = map_rows(function, np.float32(3), local_devices(count))
        made = run(arguments, rows)["y"]
        np.testing.assert_array_equal(made, 3 * rows["x"] + 1)
    if size == 2:
        assert len(made.sharding.device_set) == 2
