"""What `styleflax weights convert` and `info` do, file to file."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from styleflax.models.vgg import conv_names
from styleflax.weights.foreign import refuse_foreign
from styleflax.weights.packaged_models import check_weights
from styleflax.weights.published.convert import (
    convert_files,
    export_encoder,
    export_published,
)
from styleflax.weights.published.mapping import find_format_of, is_model_file
from styleflax.weights.store import ModelFile, load_model, model_digest, save_model

DTYPES = ("float16", "float32")
EXPORTS: dict[str, Callable[[ModelFile, Path], list[Path]]] = {
    "published": export_published,
    "torchvision": lambda model, folder: export_encoder(model, folder, "torchvision"),
    "keras": lambda model, folder: export_encoder(model, folder, "keras"),
}


def convert_and_save(
    files: Sequence[Path],
    out: Path,
    *,
    preset: str | None = None,
    to: str = "model",
    dtype: str = "float16",
) -> list[str]:
    """Convert files and write what comes of them.

    Args:
        files: Published files; for another `to` than `model`, one model file.
        out: The model file to write; for another `to` the folder.
        preset: As for `convert_files`.
        to: `model`, or what to turn a model file back into: `published`,
            `torchvision` or `keras`.
        dtype: Data type of the model file.

    Returns:
        Lines that say what was written.

    Raises:
        FileNotFoundError: A file is missing.
        ImportError: A package that writes or reads the format is not installed.
        OSError: A file cannot be written.
        ValueError: The files or arguments do not fit each other.
    """
    if to != "model":
        if preset is not None:
            raise ValueError(
                "preset is allowed with --to model only: a model file has its own"
            )
        return _convert_back(files, out, to)
    if dtype not in DTYPES:
        raise ValueError(f"dtype must be one of {', '.join(DTYPES)}, got {dtype!r}")
    if any(path.exists() and out.exists() and path.samefile(out) for path in files):
        raise ValueError(
            f"{out} must not be one of the files to convert; give another name"
        )
    model = convert_files(files, preset)
    digest = save_model(out, model, dtype)
    kind = model.provenance.get("preset", "no preset")
    return [
        f"{out}: {model.method}, {_describe_encoder(model)}, {kind} "
        f"(SHA-256 of its values {digest[:16]}...)"
    ]


def _convert_back(files: Sequence[Path], folder: Path, to: str) -> list[str]:
    if to not in EXPORTS:
        allowed = ", ".join(("model", *EXPORTS))
        raise ValueError(f"to must be one of {allowed}, got {to!r}")
    if len(files) != 1:
        raise ValueError(f"--to {to} takes one model file, got {len(files)} files")
    model = load_model(files[0])
    paths = EXPORTS[to](model, folder)
    return [*map(str, paths), f"from {model.method}, {_describe_encoder(model)}"]


def _describe_encoder(model: ModelFile) -> str:
    names = [n for n in conv_names("vgg19") if n in model.encoder_params]
    architecture, convention = model.encoder
    if not names:
        return "no encoder"
    return f"{convention} {architecture} up to {names[-1]}"


def describe_file(path: Path) -> dict[str, Any]:
    """What a weight file of any known format holds, ready for JSON.

    Raises:
        FileNotFoundError: There is no such file.
        ImportError: The file is HDF5, and h5py is not installed.
        ValueError: It is damaged, or of no known format.
    """
    check_weights(path)
    if not path.is_file():
        raise FileNotFoundError(f"there is no weight file {path}")
    refuse_foreign(path)
    if not is_model_file(path):
        known = find_format_of(path)
        return {
            "format": known.name,
            "role": known.role,
            "tensors": len(known.entries),
            "up_to": known.entries[-1].path[0],
        }
    model = load_model(path)
    return {
        "format": "styleflax",
        "method": model.method,
        "encoder": _describe_encoder(model),
        "trained_parts": sorted(model.players),
        "arithmetic": model.arithmetic,
        "provenance": model.provenance,
        "sha256_of_values": model_digest(model),
    }
