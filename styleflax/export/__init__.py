"""Exporting models for other runtimes: ONNX files, and StableHLO by `jax.export`."""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from styleflax.export.model import FORMATS, export_model
    from styleflax.export.onnx_files import export_onnx
    from styleflax.export.stablehlo import export_stablehlo

__all__ = ["FORMATS", "export_model", "export_onnx", "export_stablehlo"]

_HOMES = {
    "FORMATS": "model",
    "export_model": "model",
    "export_onnx": "onnx_files",
    "export_stablehlo": "stablehlo",
}


def __getattr__(name: str) -> Any:
    # Imported late, because the runtime of exported files needs neither JAX nor onnx.
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
