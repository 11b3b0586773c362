"""Settings that must stand before JAX starts."""

import os

# Two virtual CPU devices for the parallel tests; the larger thread pool keeps
# XLA's collectives from dead-locking on them (fixed in jax 0.12).
os.environ.setdefault("XLA_FLAGS", "--xla_force_host_platform_device_count=2")
os.environ.setdefault("NPROC", "32")
os.environ.setdefault("JAX_PLATFORMS", "cpu")
