"""Exporting a model by its name or file."""

import importlib.util
import os
from typing import Any, Literal, get_args

from styleflax.export.storage import Storage, check_storage
from styleflax.weights.store import ModelFile, find_model, load_model, packaged_models

Format = Literal["onnx", "stablehlo"]
FORMATS: tuple[Format, ...] = get_args(Format)
_OURS = "Apache-2.0"
_WITH_VGG = f"{_OURS}; CC BY 4.0 for the encoder, the VGG-16 of Simonyan and Zisserman"


def export_model(
    weights: str | os.PathLike[str],
    folder: str | os.PathLike[str],
    format: Format = "onnx",
    storage: Storage = "float32",
    num_styles: int = 1,
    num_regions: int = 1,
) -> dict[str, Any]:
    """Exports a model and returns its manifest; see `export_onnx`, `export_stablehlo`.

    Args:
        weights: A name, a model file, or a URL, as for `Stylizer.load`.
        folder: Folder to write, created if needed; older files are replaced.
        format: `onnx` or `stablehlo`.
        storage: How ONNX files store weights: float32, float16 or int8.
        num_styles: Number of styles that a StableHLO program mixes; ONNX files mix any
            number.
        num_regions: Number of regions of a StableHLO program; ONNX files have any
            number.

    Raises:
        ValueError: If an argument is unknown, or the file is damaged.
        FileNotFoundError: If there is no such file or name.
        ImportError: If the extra `export` is not installed.
        OSError: If a file cannot be written.

    Example:
        >>> export_model("adain", "adain_onnx", storage="float16")
    """
    if format not in FORMATS:
        raise ValueError(f"format must be one of {FORMATS}, got {format!r}")
    check_storage(storage)
    path = find_model(weights)
    if format == "onnx" and importlib.util.find_spec("onnx") is None:
        raise ImportError('ONNX needs onnx: pip install "styleflax[export]"')
    file, name = load_model(path), path.stem
    license_ = _license_of(file, is_ours=path in packaged_models().values())
    # Imported late: the first needs a package of the extra, the second imports JAX.
    if format == "onnx":
        from styleflax.export.onnx_files import export_onnx  # noqa: PLC0415

        return export_onnx(file, folder, storage, name, license_)
    from styleflax.export.stablehlo import export_stablehlo  # noqa: PLC0415

    numbers = num_styles, num_regions
    return export_stablehlo(file, folder, name, license_, *numbers)


def _license_of(file: ModelFile, *, is_ours: bool) -> str:
    """Returns the license in the model file, or else that of the package's models."""
    ours = _WITH_VGG if file.encoder_params else _OURS
    return str(file.provenance.get("license", ours if is_ours else ""))
