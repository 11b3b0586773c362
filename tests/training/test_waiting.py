import itertools

import jax
import numpy as np
import pytest

from styleflax import parallel
from styleflax.parallel import (
    DeviceBatches,
    local_devices,
    make_put,
    map_step,
    replicate,
)


def test_batches_come_in_order_and_one_is_ahead():
    put = []
    batches = DeviceBatches(itertools.count(), lambda i: put.append(i) or i)
    assert [next(batches) for _ in range(3)] == [0, 1, 2]
    assert put == [0, 1, 2, 3]


def test_share_is_the_time_spent_waiting_since_it_was_last_asked(monkeypatch):
    clock = itertools.accumulate([10.0, 2.0, 3.0, 7.0, 8.0, 0.0, 4.0])
    monkeypatch.setattr(parallel.time, "perf_counter", lambda: next(clock))
    batches = DeviceBatches(itertools.count(), lambda i: i)  # at 10
    next(batches)  # from 12 to 15
    assert batches.take_wait_share() == pytest.approx(3 / 12)  # at 22
    next(batches)  # from 30 to 30
    assert batches.take_wait_share() == 0


@pytest.mark.parametrize("mode", ["pmap", "shard_map"])
def test_steps_take_batches_that_are_on_the_devices(mode):
    devices = local_devices(2)

    def step(state, frozen, batch):
        index = jax.lax.axis_index("data")
        return state, jax.lax.psum((1 + index) * batch["x"].sum(), "data")

    mapped = map_step(step, devices, mode)
    batch = {"x": np.arange(6, dtype=np.float32).reshape(6, 1)}
    state = replicate(np.float32(0), devices)
    state, on_host = mapped(state, {}, batch)
    placed = make_put(devices, mode)(batch)
    assert len(placed["x"].sharding.device_set) == 2
    with jax.transfer_guard("disallow"):  # the batch does not move again
        _, on_devices = mapped(state, {}, placed)
    assert float(on_host) == float(on_devices) == 3 + 2 * 12
