"""What a run's bits depend on beside its configuration."""

import importlib.metadata
import logging
import os
import platform
from collections.abc import Mapping, Sequence

import jax

import styleflax

logger = logging.getLogger(__name__)
PACKAGES = ("styleflax", "jax", "jaxlib", "flax", "optax", "numpy", "pillow", "grain")


def installed_version(package: str) -> str:
    """A package's version; "" where it is not installed, as in a bare checkout."""
    if package == "styleflax":
        return styleflax.__version__
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return ""


def describe_environment(
    devices: Sequence[jax.Device], parallel: str
) -> dict[str, str]:
    """Machine type, versions, devices and flags, as written into checkpoints."""
    versions = {name: installed_version(name) for name in PACKAGES}
    several = jax.process_count() > 1
    return {
        **versions,
        "machine": platform.machine(),
        "device": devices[0].device_kind,
        "num_devices": str(len(devices)),
        **({"num_processes": str(jax.process_count())} if several else {}),
        "num_cpus": str(os.cpu_count()),
        "parallel": parallel,
        "xla_flags": os.environ.get("XLA_FLAGS", ""),
    }


def warn_of_differences(before: Mapping[str, str], now: Mapping[str, str]) -> None:
    """Warns that a run goes on where its bits may come out differently."""
    changed = sorted(k for k in before.keys() | now if before.get(k) != now.get(k))
    if changed:
        listed = "; ".join(f"{k}: {before.get(k)} -> {now.get(k)}" for k in changed)
        logger.warning(
            "the run goes on in another environment (%s), so its result may differ "
            "in the last bits from an uninterrupted one",
            listed,
        )
