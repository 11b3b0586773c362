"""Reading, encoding, loading and saving styles."""

from typing import TYPE_CHECKING

from styleflax.lazy import lazy_names

if TYPE_CHECKING:
    from styleflax.inference.styles.file import (
        StyleFile,
        load_style,
        save_style,
    )

__all__ = ["StyleFile", "load_style", "save_style"]

__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "StyleFile": "file",
        "load_style": "file",
        "save_style": "file",
    },
)
