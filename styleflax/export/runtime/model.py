"""An exported model: its manifest and its ONNX Runtime sessions."""

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float

from styleflax.export.runtime.moments import Moments, mean_std
from styleflax.export.runtime.windows import average_cells, grid_side

FORMAT_VERSION = 1
MANIFEST = "manifest.json"
Arrays = dict[str, np.ndarray]
"""Inputs or outputs of a file by name."""


class ExportedModel:
    """An opened folder of `styleflax export`.

    Attributes:
        manifest: Content of the manifest file.

    Args:
        folder: Folder with the manifest.
        threads: Threads of ONNX Runtime; None for all cores.
        providers: Execution providers of ONNX Runtime, in order of preference.

    Raises:
        FileNotFoundError: If there is no manifest.
        ValueError: If it is damaged or of a newer version.
        ImportError: If onnxruntime is not installed.
    """

    def __init__(
        self,
        folder: str | os.PathLike[str],
        threads: int | None = None,
        providers: Sequence[str] = ("CPUExecutionProvider",),
    ) -> None:
        self.manifest = read_manifest(Path(folder))
        self._sessions = {
            part: _open(Path(folder) / entry["path"], threads, providers)
            for part, entry in self.manifest["files"].items()
        }

    def run(self, part: str, feeds: Mapping[str, np.ndarray]) -> Arrays:
        """Runs one of the files, and returns its outputs by name."""
        names = self.manifest["files"][part]["outputs"]
        outputs = self._sessions[part].run(names, dict(feeds))
        return dict(zip(names, outputs, strict=True))

    def encode(self, image: Float[np.ndarray, "h w 3"]) -> Arrays:
        """Returns the features (c, h, w) of an image by level."""
        outputs = self.run("encoder", {"image": np.ascontiguousarray(image)[None]})
        return {name.removeprefix("features."): x[0] for name, x in outputs.items()}

    def statistics(self, name: str, moments: Moments, role: str) -> Arrays:
        """Returns mean and standard deviation as inputs of the decoder.

        Args:
            name: Name of the inputs without `.mean` and `.std`.
            moments: Moments of regions.
            role: `content` or `style`; their variances may be defined differently.
        """
        mean, std = mean_std(moments, **self.manifest["statistics"][role])
        return {f"{name}.mean": mean, f"{name}.std": std}

    def grids(
        self, masks: Float[np.ndarray, "r h w"] | None, height: int, width: int
    ) -> Arrays:
        """Returns masks on the grids of all levels, as inputs; None is one region."""
        grids: Arrays = {}
        for grid in self.manifest["masks"]:
            settings = (grid["stride"], grid["repeat"])
            sides = (grid_side(size, *settings) for size in (height, width))
            one = np.ones((1, 1, 1), np.float32)
            cells = one if masks is None else average_cells(masks, *sides)
            grids[f"masks.{grid['name']}"] = cells
        return grids


def read_manifest(folder: Path) -> dict[str, Any]:
    """Returns the manifest in a folder.

    Raises:
        FileNotFoundError: If there is none.
        ValueError: If it is damaged or of a newer version.
    """
    path = folder / MANIFEST
    if not path.is_file():
        raise FileNotFoundError(
            f"there is no {MANIFEST} in {str(folder)!r}; run `styleflax export MODEL "
            f"-o {folder}` to write one"
        )
    try:
        manifest = json.loads(path.read_text("utf-8"))
        version = int(manifest["format"])
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{path} is damaged: {error!r}") from error
    if version > FORMAT_VERSION:
        raise ValueError(
            f"{path} has the format {version}, and this styleflax reads "
            f"{FORMAT_VERSION}: run `pip install --upgrade styleflax`"
        )
    return manifest


def _open(path: Path, threads: int | None, providers: Sequence[str]) -> Any:
    try:
        import onnxruntime  # noqa: PLC0415  (of the extra)
    except ImportError as error:
        raise ImportError(
            'exported models need onnxruntime: pip install "styleflax[export]"'
        ) from error
    options = onnxruntime.SessionOptions()
    if threads is not None:
        options.intra_op_num_threads = threads
    return onnxruntime.InferenceSession(path, options, list(providers))
