"""Pure functions on arrays."""

from typing import TYPE_CHECKING

from styleflax.lazy import lazy_names

if TYPE_CHECKING:
    from styleflax.ops.attention import merge_attention, partial_attention
    from styleflax.ops.color import (
        coral_recolor,
        keep_luminance,
        lab_to_rgb,
        match_lab,
        rgb_to_lab,
    )
    from styleflax.ops.color_match import Palette, color_palette, match_chroma
    from styleflax.ops.conv import (
        average_pool_ceil,
        conv3x3_reflect,
        max_pool_ceil,
        upsample_conv3x3_reflect,
    )
    from styleflax.ops.spatial import (
        Extent,
        area_average,
        middle_half,
        reflection_pad,
        upsample_nearest,
    )
    from styleflax.ops.statistics import (
        Moments,
        channel_mean_std,
        gram_matrix,
        merge_moments,
        moments_mean_std,
        region_moments,
        rescale,
    )

__all__ = [
    "Extent",
    "Moments",
    "Palette",
    "area_average",
    "average_pool_ceil",
    "channel_mean_std",
    "color_palette",
    "conv3x3_reflect",
    "coral_recolor",
    "gram_matrix",
    "keep_luminance",
    "lab_to_rgb",
    "match_chroma",
    "match_lab",
    "max_pool_ceil",
    "merge_attention",
    "merge_moments",
    "middle_half",
    "moments_mean_std",
    "partial_attention",
    "reflection_pad",
    "region_moments",
    "rescale",
    "rgb_to_lab",
    "upsample_conv3x3_reflect",
    "upsample_nearest",
]

__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "Extent": "spatial",
        "Moments": "statistics",
        "Palette": "color_match",
        "area_average": "spatial",
        "average_pool_ceil": "conv",
        "channel_mean_std": "statistics",
        "conv3x3_reflect": "conv",
        "coral_recolor": "color",
        "gram_matrix": "statistics",
        "keep_luminance": "color",
        "lab_to_rgb": "color",
        "match_chroma": "color_match",
        "match_lab": "color",
        "max_pool_ceil": "conv",
        "merge_attention": "attention",
        "merge_moments": "statistics",
        "middle_half": "spatial",
        "moments_mean_std": "statistics",
        "color_palette": "color_match",
        "partial_attention": "attention",
        "reflection_pad": "spatial",
        "region_moments": "statistics",
        "rescale": "statistics",
        "rgb_to_lab": "color",
        "upsample_conv3x3_reflect": "conv",
        "upsample_nearest": "spatial",
    },
)
