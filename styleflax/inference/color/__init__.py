"""Color: what a result takes from the photo or the painting."""

from typing import TYPE_CHECKING

from styleflax.lazy import lazy_names

if TYPE_CHECKING:
    from styleflax.inference.color.matching import match_by_bands
    from styleflax.inference.color.transfer import color_style, finish

__all__ = ["color_style", "finish", "match_by_bands"]

__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "color_style": "transfer",
        "finish": "transfer",
        "match_by_bands": "matching",
    },
)
