"""Exporting a model as ONNX files with a manifest that says how to run them."""

import json
import os
from pathlib import Path
from typing import Any

from styleflax.export.graph import OPSET, Graph
from styleflax.export.manifest import (
    FORMAT_VERSION,
    identity,
    least_side,
    write_manifest,
    write_part,
)
from styleflax.export.methods import Graphs, write_graphs
from styleflax.export.storage import Storage
from styleflax.files import make_folder
from styleflax.methods import controls_of
from styleflax.methods.model import Model, build_model, read_arithmetic
from styleflax.weights.store import ModelFile

METADATA_KEY = "styleflax"
"""Metadata key of ONNX files; its value is the JSON of `manifest.identity` and the name
of the part."""


def export_onnx(
    file: ModelFile,
    folder: str | os.PathLike[str],
    storage: Storage = "float32",
    name: str = "model",
    license_: str = "",
) -> dict[str, Any]:
    """Exports a model as ONNX files and returns their manifest.

    An encoder and a decoder, which includes the transfer, are written, so that large
    images can be tiled and paintings are encoded once. Networks with built-in styles
    become one file. Image sizes and the batch size are free.

    Args:
        file: A model file, as `load_model` returns it.
        folder: Folder to write, created if needed; older files are replaced.
        storage: Type of the stored weights: float16 halves the files; int8, with scales
            per output channel, reduces them to a quarter.
        name: Name of the model, for users.
        license_: License of the weights, for users.

    Raises:
        ValueError: If the method or the storage is unknown, or the file is not a
            model of its method.
        OSError: If a file cannot be written.

    Example:
        >>> export_onnx(load_model("lite.safetensors"), "lite_onnx", "float16")
    """
    model = build_model(file)  # which checks the parameters
    graphs = write_graphs(file, storage)
    manifest = {
        "format": FORMAT_VERSION,
        **identity(file, name, license_),
        "storage": storage,
        "opset": OPSET,
        **_describe(file, model, graphs),
    }
    described = identity(file, name, license_)
    make_folder(Path(folder))
    manifest["files"] = {
        part: _write(graph, Path(folder) / f"{part}.onnx", {**described, "part": part})
        for part, graph in graphs.files.items()
    }
    write_manifest(Path(folder), manifest)
    return manifest


def _describe(file: ModelFile, model: Model, graphs: Graphs) -> dict[str, Any]:
    method, arithmetic = model.method, read_arithmetic(file)
    tiling = method.tiling
    return {
        "style": graphs.style,
        "style_dtype": graphs.style_dtype,
        "stride": tiling and tiling.stride_px,
        "halo": tiling and tiling.halo_px,
        "min_px": least_side(file),
        "levels": [level._asdict() for level in graphs.levels],
        "masks": [grid._asdict() for grid in graphs.grids],
        "statistics": {
            "content": arithmetic.content_statistics(),
            "style": arithmetic.style_statistics(),
        },
        "styles": [
            {"name": style, "palette": _palette(file, style)} for style in method.styles
        ],
        "defaults": dict(file.defaults),
        "controls": sorted(controls_of(method) | _known_palettes(file)),
    }


def _palette(file: ModelFile, style: str) -> dict[str, Any] | None:
    """Returns a palette without the axis of styles that model files have."""
    if style not in file.palettes:
        return None
    return {name: values[0] for name, values in file.palettes[style].items()}


def _known_palettes(file: ModelFile) -> set[str]:
    return {"color_match"} if file.palettes else set()


def _write(graph: Graph, path: Path, described: dict[str, Any]) -> dict[str, Any]:
    metadata = {METADATA_KEY: json.dumps(described, sort_keys=True)}
    model = graph.model(path.stem, metadata)
    return {
        **write_part(path, model.SerializeToString()),
        "inputs": graph.input_names,
        "outputs": graph.output_names,
    }
