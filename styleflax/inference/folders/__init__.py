"""Stylizing folders of photos in many styles."""

from typing import TYPE_CHECKING

from styleflax.lazy import lazy_names

if TYPE_CHECKING:
    from styleflax.inference.folders.results import Watcher
    from styleflax.inference.folders.sources import Source, StyleMask
    from styleflax.inference.folders.stylize import WriteOptions, stylize_folder

__all__ = ["Source", "StyleMask", "Watcher", "WriteOptions", "stylize_folder"]

__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "Source": "sources",
        "StyleMask": "sources",
        "Watcher": "results",
        "WriteOptions": "stylize",
        "stylize_folder": "stylize",
    },
)
