"""The manifest of exported files, which describes the model and how to run it."""

import dataclasses
import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from styleflax.files import write_atomically
from styleflax.images.decoding import MIN_SIDE_PX
from styleflax.methods.model import read_arithmetic
from styleflax.models.transformer_net import START_PAD_PX
from styleflax.weights.store import ModelFile, model_digest

FORMAT_VERSION = 1
MANIFEST = "manifest.json"


def identity(file: ModelFile, name: str, license_: str) -> dict[str, Any]:
    """Returns the identity of a model: name, method, arithmetic, digest and license."""
    return {
        "name": name,
        "method": file.method,
        "digest": model_digest(file),
        "arithmetic": dataclasses.asdict(read_arithmetic(file)),
        "license": license_,
    }


def least_side(file: ModelFile) -> int:
    """Returns the smallest side of an image, in px, that an exported model accepts.

    Reflection padding needs one position more than it adds.
    """
    if file.method == "sanet":
        return 17  # two positions at relu5_1
    if file.options.get("padding") == "reflect-start":
        border = START_PAD_PX * file.options.get("residual_blocks", 5)
        return max(border + 1, MIN_SIDE_PX)
    return MIN_SIDE_PX


def write_part(path: Path, data: bytes) -> dict[str, Any]:
    """Writes a file, and returns its entry in the manifest."""
    write_atomically(path, data, "the exported file")
    digest = hashlib.sha256(data).hexdigest()
    return {"path": path.name, "bytes": len(data), "sha256": digest}


def write_manifest(folder: Path, manifest: Mapping[str, Any]) -> None:
    """Writes the manifest; call it last, when all files that it names exist."""
    text = json.dumps(manifest, indent=1) + "\n"
    write_atomically(folder / MANIFEST, text.encode(), "the manifest")
