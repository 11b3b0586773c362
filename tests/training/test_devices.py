import os
import subprocess
import sys
from pathlib import Path

import jax
import numpy as np
import pytest
from quick_programs import quick_flags

from styleflax import parallel
from styleflax.parallel import all_devices, local_view, make_any, replicate

CHILD = Path(__file__).parents[1] / "helpers" / "many_devices.py"


def test_one_two_and_eight_devices_agree_under_gradient_descent(tmp_path):
    out = tmp_path / "found.npz"
    subprocess.run(
        [sys.executable, CHILD, out],
        env=os.environ | {"XLA_FLAGS": quick_flags(8)},
        check=True,
    )
    with np.load(out) as found:
        changes = {k: np.float64(v) - found["start"] for k, v in found.items()}
    expected = changes.pop("pmap 1")
    changes.pop("start")
    norm = np.linalg.norm(expected)
    assert norm > 0
    assert set(changes) == {
        "shard_map 1",
        *(f"{mode} {n}" for mode in ("pmap", "shard_map") for n in (2, 8)),
    }
    for change in changes.values():
        assert np.linalg.norm(change - expected) / norm < 1e-5
        assert abs(np.linalg.norm(change) / norm - 1) < 1e-4


class Device:
    def __init__(self, process_index, number):
        self.process_index, self.number = process_index, number


def numbers(devices):
    return [(d.process_index, d.number) for d in devices]


def test_devices_are_those_of_process_after_process(monkeypatch):
    mixed = [Device(1, 0), Device(0, 0), Device(1, 1), Device(0, 1)]
    monkeypatch.setattr(parallel.jax, "devices", lambda: mixed)
    assert numbers(all_devices()) == [(0, 0), (0, 1), (1, 0), (1, 1)]
    assert numbers(all_devices(1)) == [(0, 0), (1, 0)]
    with pytest.raises(ValueError, match=r"run.num_devices is 3, but there are only 2"):
        all_devices(3)


def test_processes_with_different_numbers_of_devices_are_refused(monkeypatch):
    uneven = [Device(0, 0), Device(1, 0), Device(1, 1)]
    monkeypatch.setattr(parallel.jax, "devices", lambda: uneven)
    with pytest.raises(ValueError, match=r"as many devices .* they have \[1, 2\]"):
        all_devices()


def test_arrays_of_one_process_are_their_own_local_view():
    tree = {"a": replicate(np.arange(3.0), all_devices(2)), "b": np.ones(2)}
    view = local_view(tree)
    assert view["a"] is tree["a"]
    assert view["b"] is tree["b"]


@pytest.mark.parametrize("flag", [True, False])
def test_a_question_to_all_processes_is_answered_by_the_only_one(flag):
    assert bool(make_any(all_devices(2))(flag)) is flag
    assert jax.process_count() == 1
