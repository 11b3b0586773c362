"""Tiles: stylizing large images in windows, exactly."""

from typing import TYPE_CHECKING

from styleflax.lazy import lazy_names

if TYPE_CHECKING:
    from styleflax.inference.tiles.tiling import stylize_tiled
    from styleflax.inference.tiles.windows import Window, cut_windows

__all__ = ["Window", "cut_windows", "stylize_tiled"]

__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "Window": "windows",
        "cut_windows": "windows",
        "stylize_tiled": "tiling",
    },
)
