import jax

from styleflax.training.checkpoint import (
    describe_environment,
    warn_of_differences,
)


def test_flags_and_devices_are_part_of_the_environment(monkeypatch):
    devices = jax.local_devices()[:2]  # before the flags that JAX would start with
    monkeypatch.setenv("XLA_FLAGS", "--xla_cpu_enable_fast_math=false")
    described = describe_environment(devices, "shard_map")
    assert described["xla_flags"] == "--xla_cpu_enable_fast_math=false"
    assert described["num_devices"] == "2"
    assert described["parallel"] == "shard_map"
    assert described["jax"] == jax.__version__
    assert all(isinstance(value, str) for value in described.values())


def test_every_difference_is_named(warnings_logged):
    warn_of_differences({"jax": "1", "a": "x"}, {"jax": "2", "b": "y", "a": "x"})
    assert "b: None -> y; jax: 1 -> 2" in warnings_logged()


def test_no_difference_is_no_warning(warnings_logged):
    warn_of_differences({"jax": "1"}, {"jax": "1"})
    assert not warnings_logged()
