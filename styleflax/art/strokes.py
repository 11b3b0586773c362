"""Strokes of thick paint: along a swirling field, and with a knife."""

import numpy as np

from styleflax.art import palette as colors
from styleflax.art.brush import Canvas, draw_strokes, look_up, scatter, trace
from styleflax.art.noise import Picture, blur, fbm, light
from styleflax.art.scene import Scene, compose

BRISTLES = 4


def paint_flow_strokes(rng: np.random.Generator, size: int) -> Picture:
    """Long curved strokes of thick paint that follow a swirling field."""
    palette = colors.pick(rng)
    motifs = ("swirls", "landscape", "landscape", "wood", "head", "still_life")
    scene = compose(rng, size, palette, motifs)
    bend = 1.2 * (fbm(rng, size, 2.5, 3) - 0.5)
    scene = scene._replace(angle=scene.angle + bend)
    canvas = Canvas(size, blur(scene.color, size / 60) * 0.7)
    scale = rng.uniform(0.9, 1.4)
    _layer(rng, canvas, scene, palette, width=0.03 * scale, length=0.18 * scale)
    _layer(rng, canvas, scene, palette, width=0.0165 * scale, length=0.115 * scale)
    picture, thickness = canvas.finish()
    return light(picture, thickness * size / 384, 3.5)


def _layer(
    rng: np.random.Generator,
    canvas: Canvas,
    scene: Scene,
    palette: np.ndarray,
    *,
    width: float,
    length: float,
) -> None:
    """Covers the canvas with strokes of one size, some in a color of their own."""
    starts = scatter(rng, 1.6 * width)
    paths = trace(scene.angle, starts, length)
    base = look_up(scene.color, starts)
    stray = rng.random(len(base)) < 0.22
    other = palette[rng.integers(len(palette), size=len(base))]
    base = np.where(stray[:, None], 0.5 * base + 0.5 * other, base)
    base = colors.vivid(colors.jitter(rng, base, 0.05), 1.2)
    shade = rng.normal(0, 0.07, (len(base), BRISTLES, 1))
    heights = rng.uniform(0.1, 1, (len(base), BRISTLES))
    widths = width * rng.uniform(0.6, 1.15, len(base))
    draw_strokes(canvas, paths, widths, base[:, None] + shade, heights)


STREAKS = 8


def paint_palette_knife(rng: np.random.Generator, size: int) -> Picture:
    """Slabs of thick paint applied with a knife, streaked with the colors mixed."""
    palette = colors.pick(rng)
    motifs = ("landscape", "still_life", "abstract", "wood", "swirls")
    scene = compose(rng, size, palette, motifs)
    canvas = Canvas(size, scene.color * 0.8)
    scale = rng.uniform(0.8, 1.25)
    for spacing in (0.16, 0.105, 0.075):
        _slabs(rng, canvas, scene, palette, spacing * scale)
    picture, thickness = canvas.finish()
    smear = fbm(rng, size, (50.0, 20.0), 3)
    height = blur(thickness, size / 700) + 0.25 * smear
    return light(picture, height * size / 384, 4.0)


def _slabs(
    rng: np.random.Generator,
    canvas: Canvas,
    scene: Scene,
    palette: np.ndarray,
    spacing: float,
) -> None:
    """Covers the canvas with slabs about `spacing` apart, across or along the form."""
    points = scatter(rng, spacing)
    across = rng.random(len(points)) < 0.2
    turn = look_up(scene.angle, points) + rng.normal(0, 0.16, len(points))
    turn = turn + np.where(across, np.pi / 2, 0)
    base = look_up(scene.color, points)
    second = palette[rng.integers(len(palette), size=len(points))]
    base = colors.vivid(colors.jitter(rng, base, 0.05), 1.25)
    for point, angle, color, other in zip(points, turn, base, second, strict=True):
        run = np.array([np.sin(angle), np.cos(angle)])
        side = np.array([run[1], -run[0]])
        long = spacing * rng.uniform(1.0, 1.9)
        wide = spacing * rng.uniform(0.7, 1.15)
        corner = point - run * long / 2 - side * wide / 2
        _slab(
            rng,
            canvas,
            corner=corner,
            run=run * long,
            side=side * wide,
            color=color,
            other=other,
        )


def _slab(
    rng: np.random.Generator,
    canvas: Canvas,
    *,
    corner: np.ndarray,
    run: np.ndarray,
    side: np.ndarray,
    color: np.ndarray,
    other: np.ndarray,
) -> None:
    """Draws one slab: parallel streaks with ragged ends and a ridge on each side."""
    share = rng.beta(0.35, 2.6, STREAKS) * 0.8
    heights = rng.uniform(0.32, 0.44, STREAKS)
    heights[[0, -1]] = rng.uniform(0.5, 0.9, 2)
    ends = np.cumsum(rng.normal(0, 0.03, (STREAKS, 2)), axis=0)
    starts = corner + np.arange(STREAKS)[:, None] / STREAKS * side + ends[:, :1] * run
    stops = starts + run * (1 + ends[:, 1:] - ends[:, :1])
    step = side * (1.15 / STREAKS)
    quads = np.stack([starts, stops, stops + step, starts + step], axis=1)
    tints = color + (other - color) * share[:, None]
    for quad, tint, height in zip(quads, tints, heights, strict=True):
        canvas.polygon(quad, tint, float(height))
