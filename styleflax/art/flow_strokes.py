"""Long curved strokes of thick paint that follow a swirling field."""

import numpy as np

from styleflax.art import palette as colors
from styleflax.art.brush import (
    Canvas,
    draw_strokes,
    look_up,
    scatter,
    trace,
)
from styleflax.art.noise import Picture, blur, fbm, light
from styleflax.art.scene import Scene, compose

BRISTLES = 4


def paint(rng: np.random.Generator, size: int) -> Picture:
    """Returns a painting of shape (size, size, 3), in [0, 1]."""
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
