"""Masks: regions of a photo or of a painting."""

from typing import TYPE_CHECKING

from styleflax.lazy import lazy_names

if TYPE_CHECKING:
    from styleflax.inference.masks.layout import RegionMasks, make_region_masks
    from styleflax.inference.masks.read import MaskSet, check_masks, read_mask

__all__ = ["MaskSet", "RegionMasks", "check_masks", "make_region_masks", "read_mask"]

__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "RegionMasks": "layout",
        "MaskSet": "read",
        "check_masks": "read",
        "make_region_masks": "layout",
        "read_mask": "read",
    },
)
