"""Running exported ONNX models with NumPy and ONNX Runtime, without JAX."""

from styleflax.export.runtime.color import (
    ColorMap,
    ColorMoments,
    Palette,
    apply_color_map,
    color_map,
    color_moments,
    color_palette,
    merge_color_moments,
    mix_palettes,
)
from styleflax.export.runtime.model import ExportedModel
from styleflax.export.runtime.moments import (
    Moments,
    mean_std,
    merge_moments,
    merge_regions,
    region_moments,
)
from styleflax.export.runtime.styles import EncodedStyle
from styleflax.export.runtime.stylizer import OnnxStylizer

__all__ = [
    "ColorMap",
    "ColorMoments",
    "EncodedStyle",
    "ExportedModel",
    "Moments",
    "OnnxStylizer",
    "Palette",
    "apply_color_map",
    "color_map",
    "color_moments",
    "color_palette",
    "mean_std",
    "merge_color_moments",
    "merge_moments",
    "merge_regions",
    "mix_palettes",
    "region_moments",
]
