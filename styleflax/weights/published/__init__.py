"""Published checkpoints: read, converted and written."""

from typing import TYPE_CHECKING

from styleflax.lazy import lazy_names

if TYPE_CHECKING:
    from styleflax.weights.published.convert import (
        convert_and_save,
        convert_files,
        describe_file,
    )
    from styleflax.weights.published.export import export_encoder, export_published

__all__ = [
    "convert_and_save",
    "convert_files",
    "describe_file",
    "export_encoder",
    "export_published",
]

__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "convert_and_save": "convert",
        "convert_files": "convert",
        "describe_file": "convert",
        "export_encoder": "export",
        "export_published": "export",
    },
)
