"""Styles: read, encoded, cached and saved."""

from typing import TYPE_CHECKING

from styleflax.lazy import lazy_names

if TYPE_CHECKING:
    from styleflax.inference.styles.file import (
        StyleFile,
        is_style_file,
        load_style,
        save_style,
    )

__all__ = ["StyleFile", "is_style_file", "load_style", "save_style"]

__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "StyleFile": "file",
        "is_style_file": "file",
        "load_style": "file",
        "save_style": "file",
    },
)
