"""Encoded styles as inputs of an exported decoder."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float

from styleflax.export.runtime.color import Palette, color_palette
from styleflax.export.runtime.model import Arrays, ExportedModel
from styleflax.export.runtime.moments import Moments, region_moments
from styleflax.export.runtime.windows import average_cells

FILLER_BIAS = -1e30
"""Bias of the scores of masked positions."""


class EncodedStyle(NamedTuple):
    """An encoded painting, or a built-in style.

    Attributes:
        arrays: Inputs of the decoder, without the axis of styles.
        palette: Palette of its colors; None if unknown.
        number: Index of a built-in style, starting at 0; 0 for a painting.
    """

    arrays: Arrays
    palette: Palette | None
    number: int = 0


def encode_painting(
    model: ExportedModel,
    image: Float[np.ndarray, "h w 3"],
    mask: Float[np.ndarray, "h w"] | None,
) -> EncodedStyle:
    """Returns an encoded painting, or the encoded part of it under a mask.

    Args:
        model: Model of a method that takes paintings.
        image: The painting, RGB in [0, 1].
        mask: Weight of every pixel; None for equal weights.
    """
    if mask is not None:
        mask = np.asarray(mask, np.float32) / np.max(mask)
    palette = color_palette(image, mask)
    arrays: Arrays = {}
    for name, feature in model.encode(image).items():
        part = np.ones((1, *feature.shape[1:]), np.float32)
        if mask is not None:
            part = average_cells(mask[None], *feature.shape[1:])
        if model.manifest["style"] == "features":
            kept, part = (_retained(model, x) for x in (feature, part))
            moments = region_moments(kept, part)
            arrays |= positions(model, name, kept, part, moments)
        else:
            moments = region_moments(feature, part)
            arrays |= model.statistics(f"style.{name}", moments, "style")
    return EncodedStyle({k: v[0] for k, v in arrays.items()}, palette)


def _retained(model: ExportedModel, x: np.ndarray) -> np.ndarray:
    """Returns features rounded to the type that style files store, as float32."""
    dtype = np.dtype(model.manifest["style_dtype"])
    return x.clip(max=np.finfo(dtype).max).astype(dtype).astype(np.float32)


def find_own_style(styles: Sequence[Mapping[str, Any]], style: object) -> EncodedStyle:
    """Returns a built-in style by its name or its number from 1; None is the only one.

    Raises:
        ValueError: If there is no such style; the error lists the built-in styles.
    """
    names = [entry["name"] for entry in styles]
    index = -1
    if style in names:
        index = names.index(style)
    elif isinstance(style, int) and 1 <= style <= len(names):
        index = style - 1
    elif style is None and len(names) == 1:
        index = 0
    if index < 0:
        raise ValueError(f"style must be of {', '.join(names)}, got {style!r}")
    given = styles[index]["palette"]
    palette = given and Palette(*(np.array(given[k]) for k in Palette._fields))
    return EncodedStyle({}, palette or None, index)


def positions(
    model: ExportedModel,
    name: str,
    feature: Float[np.ndarray, "c h w"],
    part: Float[np.ndarray, "1 h w"],
    moments: Moments,
) -> Arrays:
    """Returns the keys and values of a level as inputs, with an axis of one style.

    Args:
        model: Model of a method that uses attention.
        name: Name of the level.
        feature: Feature map of the style.
        part: Weights of its positions.
        moments: Moments of the feature map under these weights.
    """
    with np.errstate(divide="ignore"):
        bias = np.maximum(np.log(part.reshape(1, -1)), FILLER_BIAS)
    flat = feature.reshape(len(feature), -1).T
    return {
        **model.statistics(f"style.{name}", moments, "style"),
        f"style.{name}.features": np.ascontiguousarray(flat)[None],
        f"style.{name}.bias": bias.astype(np.float32),
    }


def stack_styles(styles: Sequence[Arrays]) -> Arrays:
    """Returns the inputs of several styles, stacked; paintings may differ in size."""
    stacked: Arrays = {}
    for name in styles[0]:
        arrays = [style[name] for style in styles]
        if name.endswith((".features", ".bias")):
            longest = max(map(len, arrays))
            filler = FILLER_BIAS if name.endswith(".bias") else 0.0
            arrays = [_lengthen(array, longest, filler) for array in arrays]
        stacked[name] = np.stack(arrays)
    return stacked


def _lengthen(array: np.ndarray, length: int, filler: float) -> np.ndarray:
    missing = length - len(array)
    widths = [(0, missing)] + [(0, 0)] * (array.ndim - 1)
    return np.pad(array, widths, constant_values=filler)
