"""Rendering: compiled programs for whole pictures, batches, rows and tiles."""

from typing import TYPE_CHECKING

from styleflax.lazy import lazy_names

if TYPE_CHECKING:
    from styleflax.inference.render.renderer import Renderer
    from styleflax.inference.render.sizes import Sizes

__all__ = ["Renderer", "Sizes"]

__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "Renderer": "renderer",
        "Sizes": "sizes",
    },
)
