"""Exporting a model by its name or file."""

import importlib.util
import os
from typing import Any, Literal, get_args

from styleflax.export.storage import Storage, check_storage
from styleflax.weights.packaged_models import find_model, packaged_models
from styleflax.weights.store import ModelFile, load_model

Format = Literal["onnx"]
FORMATS: tuple[Format, ...] = get_args(Format)
_OURS = "Apache-2.0"
_WITH_VGG = f"{_OURS}; CC BY 4.0 for the encoder, the VGG-16 of Simonyan and Zisserman"


def export_model(
    weights: str | os.PathLike[str],
    folder: str | os.PathLike[str],
    format: Format = "onnx",
    storage: Storage = "float32",
) -> dict[str, Any]:
    """The manifest of what was written; see `export_onnx`.

    Args:
        weights: A name, a model file, or a URL, as for `Stylizer.load`.
        folder: Where to write; made if need be, older files are replaced.
        format: `onnx`.
        storage: How ONNX files store weights: float32, float16 or int8.

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
    if importlib.util.find_spec("onnx") is None:
        raise ImportError('ONNX needs onnx: pip install "styleflax[export]"')
    # Late, as it is of the extra.
    from styleflax.export.onnx_files import export_onnx  # noqa: PLC0415

    path = find_model(weights)
    file, name = load_model(path), path.stem
    license_ = _license_of(file, is_ours=path in packaged_models().values())
    return export_onnx(file, folder, storage, name, license_)


def _license_of(file: ModelFile, *, is_ours: bool) -> str:
    """What the model file says; files of ours that say nothing have the package's."""
    ours = _WITH_VGG if file.encoder_params else _OURS
    return str(file.provenance.get("license", ours if is_ours else ""))
