"""Masks: regions of a photo or of a painting."""

from typing import TYPE_CHECKING

from styleflax.lazy import lazy_names

if TYPE_CHECKING:
    from styleflax.inference.masks.layout import LaidMasks, lay_masks
    from styleflax.inference.masks.read import Masking, check_masks, read_mask

__all__ = ["LaidMasks", "Masking", "check_masks", "lay_masks", "read_mask"]

__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "LaidMasks": "layout",
        "Masking": "read",
        "check_masks": "read",
        "lay_masks": "layout",
        "read_mask": "read",
    },
)
