"""The transfers of methods as parts of ONNX graphs: by moments and by attention."""

from typing import NamedTuple

from styleflax.export.graph import Graph
from styleflax.types import Params


class Statistics(NamedTuple):
    """Names of the tensors of a level's moments, each (..., c)."""

    mean: str
    std: str


class Mix(NamedTuple):
    """Names of the tensors that mix styles in regions.

    Attributes:
        weights: Share of every style in every region, (r, s).
        strength: Strength of every region, (r,); "" if the weights include it.
    """

    weights: str
    strength: str = ""


def content_statistics(g: Graph, level: str, channels: int) -> Statistics:
    """Adds inputs for the moments of the content's regions, (b, r, c)."""
    names = (f"content.{level}.{name}" for name in Statistics._fields)
    return Statistics(*(g.input(name, ("b", "r", channels)) for name in names))


def style_statistics(g: Graph, level: str, channels: int) -> Statistics:
    """Adds inputs for the moments of styles, (s, c)."""
    names = (f"style.{level}.{name}" for name in Statistics._fields)
    return Statistics(*(g.input(name, ("s", channels)) for name in names))


def masks_input(g: Graph, name: str) -> str:
    """Adds an input for masks on a grid; a mask of 1 x 1 covers the whole image."""
    return g.input(f"masks.{name}", ("r", f"{name}_mask_h", f"{name}_mask_w"))


def rescale_regions(
    g: Graph, feature: str, content: Statistics, style: Statistics, mix: Mix, masks: str
) -> str:
    """Adds `ops.statistics.rescale_regions` as one gain and one bias per position."""
    new_mean = g.add("MatMul", mix.weights, style.mean)
    new_std = g.add("MatMul", mix.weights, style.std)
    scale = g.add("Div", new_std, content.std)
    shift = g.add("Sub", new_mean, g.add("Mul", content.mean, scale))
    alpha = g.unsqueeze(mix.strength, 1)
    rest = g.add("Sub", g.numbers(1.0), alpha)
    gain = g.add("Add", g.add("Mul", alpha, scale), rest)
    bias = g.add("Mul", alpha, shift)
    scaled = g.add("Mul", feature, g.spread(gain, masks))
    return g.add("Add", scaled, g.spread(bias, masks))


def attend(
    g: Graph, params: Params, feature: str, level: str, channels: int, mix: Mix
) -> str:
    """Adds the attention of a level, and returns its result (b, c, h, w).

    Args:
        g: The graph.
        params: Parameters of the attention block; see `models.sanet`.
        feature: Feature map of the content, (b, c, h, w).
        level: Name of the level.
        channels: Number of channels of the feature map.
        mix: Mix of styles; below strength 1 the content is the last style.
    """
    of_style = (f"style.{level}", ("s", f"{level}_m"))
    raw = g.input(f"{of_style[0]}.features", (*of_style[1], channels))
    bias = g.input(f"{of_style[0]}.bias", of_style[1])
    content = content_statistics(g, level, channels)
    style = style_statistics(g, level, channels)
    positions = g.add("Reshape", feature, g.integers(0, 0, -1))
    positions = g.add("Transpose", positions, perm=[0, 2, 1])
    queries = _normalized(g, g.unsqueeze(positions, 1), content, 2)
    queries = g.dense(queries, params["f"])
    keys = g.dense(_normalized(g, raw, style, 1), params["g"])
    values = g.dense(raw, params["h"])
    # Axes: batch, region, style, position of the content, position of the style.
    scores = g.add(
        "MatMul",
        g.unsqueeze(queries, 2),
        g.add("Transpose", keys, perm=[0, 2, 1]),
    )
    scores = g.add("Add", scores, g.unsqueeze(bias, 1))
    found = g.add("MatMul", g.add("Softmax", scores, axis=-1), values)
    weighed = g.add("Mul", found, g.unsqueeze(mix.weights, 2, 3))
    by_region = g.add("ReduceSum", weighed, g.integers(2), keepdims=0)
    flat = g.add("Reshape", masks_input(g, level), g.integers(0, -1))
    placed = g.add("Mul", by_region, g.unsqueeze(flat, 2))
    total = g.add("ReduceSum", placed, g.integers(1), keepdims=0)
    mapped = g.add("Transpose", g.dense(total, params["out_conv"]), perm=[0, 2, 1])
    return g.add("Reshape", mapped, g.add("Shape", feature))


def _normalized(g: Graph, x: str, statistics: Statistics, axis: int) -> str:
    mean, std = (g.unsqueeze(name, axis) for name in statistics)
    return g.add("Div", g.add("Sub", x, mean), std)
