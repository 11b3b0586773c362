"""Cache keys of compiled programs."""

import dataclasses
import enum
import functools
import hashlib
import os
import types
from collections.abc import Mapping, Set
from pathlib import Path
from typing import Any

import flax
import jax
import jaxlib.version
import numpy as np

from styleflax.compile_cache.folder import machine_name

FORMAT = 2
_WITHOUT_PROGRAMS = frozenset({"cli", "evaluation", "images", "datasets", "art"})
"""Folders of this package whose source is never traced into a cached program."""
_VARIABLES = ("XLA_FLAGS", "LIBTPU_INIT_ARGS", "NVIDIA_TF32_OVERRIDE")
_PLAIN = (str, bytes, int, float, bool, types.NoneType, enum.Enum, np.dtype)


class Unknown(Exception):  # noqa: N818  (no mistake of anybody)
    """Something may hold more than can be told."""


def describe(value: Any) -> str:
    """Text that is the same in every process for the same value, and for it alone.

    Functions are named, with what they close over; their code is in
    `environment_digest`.

    Raises:
        Unknown: If there is anything that cannot be put so.
    """
    if isinstance(value, _PLAIN):
        return repr(value)
    if isinstance(value, type):
        return _name(value)
    if isinstance(value, functools.partial):
        return f"partial{_join((value.func, value.args, value.keywords))}"
    if isinstance(value, types.MethodType):
        return f"{value.__name__} of {describe(value.__self__)}"
    if isinstance(value, types.FunctionType):
        cells = [cell.cell_contents for cell in value.__closure__ or ()]
        held = (cells, value.__defaults__, value.__kwdefaults__)
        return f"{_name(value)}:{value.__code__.co_firstlineno}{_join(held)}"
    return f"{_name(type(value))}{_describe_parts(value)}"


def _describe_parts(value: Any) -> str:
    if isinstance(value, Mapping):  # in its order, which may matter
        return _join([part for item in value.items() for part in item])
    if isinstance(value, Set):
        return str(sorted(describe(part) for part in value))
    if isinstance(value, tuple | list):
        return _join(value)
    if dataclasses.is_dataclass(value):
        fields = dataclasses.fields(value)
        # A Flax module's parent is a sentinel for those that have none.
        names = [field.name for field in fields if field.name != "parent"]
        return _join([part for name in names for part in (name, getattr(value, name))])
    raise Unknown(type(value))


def _join(values: Any) -> str:
    return f"({', '.join(describe(value) for value in values)})"


def _name(value: Any) -> str:
    return f"{value.__module__}.{value.__qualname__}"


def digest(content: str | bytes) -> str:
    """SHA-256 as 64 hexadecimal digits."""
    data = content.encode() if isinstance(content, str) else content
    return hashlib.sha256(data).hexdigest()


def jax_options() -> str:
    """JAX's settings as they are here and now."""
    # No cache changes a program, and where it lies may differ between processes.
    values = sorted(jax.config.values.items())
    return str([(name, str(value)) for name, value in values if "cache" not in name])


def environment_digest() -> str:
    """A digest of all that programs depend on other than functions and arguments."""
    device = jax.local_devices()[0]
    parts = (
        *(FORMAT, _source_digest()),
        *(jax.__version__, jaxlib.version.__version__, flax.__version__),
        *(device.platform, device.device_kind, device.client.platform_version),
        *(machine_name(), os.cpu_count(), jax_options()),
        *(os.environ.get(name) for name in _VARIABLES),
    )
    return digest(repr(parts))


@functools.cache
def _source_digest() -> str:
    return digest(
        b"\n".join(digest(path.read_bytes()).encode() for path in source_files())
    )


def source_files() -> list[Path]:
    """The files of this package, sorted, whose change makes every program stale."""
    package = Path(__file__).parent.parent
    return [
        path
        for path in sorted(package.rglob("*.py"))
        if path.relative_to(package).parts[0] not in _WITHOUT_PROGRAMS
    ]
