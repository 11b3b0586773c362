"""Dots of unmixed color that mix in the eye."""

import numpy as np

from styleflax.art import palette as colors
from styleflax.art.brush import Canvas, look_up, scatter
from styleflax.art.noise import Picture, light
from styleflax.art.scene import compose


def paint(rng: np.random.Generator, size: int) -> Picture:
    """Returns a painting of shape (size, size, 3), in [0, 1]."""
    palette = colors.pick(rng)
    motifs = ("landscape", "landscape", "wood", "still_life", "head")
    scene = compose(rng, size, palette, motifs)
    ground = palette[-1] * 0.6 + 0.38
    canvas = Canvas(size, scene.color * 0.45 + ground * 0.55)
    pigments = _pigments(palette)
    scale = rng.uniform(1.0, 1.5)
    for spacing, radius in ((0.0155, 0.0085), (0.0135, 0.0062), (0.0145, 0.0048)):
        points = scatter(rng, spacing * scale)
        dots = _mix_in_eye(rng, look_up(scene.color, points), pigments)
        dots = colors.jitter(rng, dots, 0.03)
        radii = radius * scale * rng.uniform(0.65, 1.15, len(points))
        heights = rng.uniform(0.3, 1.0, len(points))
        for point, r, dot, height in zip(points, radii, dots, heights, strict=True):
            canvas.disc(point, r, dot, height)
    picture, thickness = canvas.finish()
    return light(picture, thickness * size / 384, 0.9)


def _pigments(palette: np.ndarray) -> np.ndarray:
    """Returns the palette and stronger and lighter versions of its colors."""
    strong = colors.vivid(palette, 1.7)
    return np.concatenate([palette, strong, 0.55 * strong + 0.45])


def _mix_in_eye(
    rng: np.random.Generator, wanted: np.ndarray, pigments: np.ndarray
) -> np.ndarray:
    """Returns a pigment for each dot; those closer to the target are likelier."""
    square = ((wanted[:, None] - pigments[None]) ** 2).sum(axis=-1)
    # The Gumbel trick: the best of noisy scores is a draw from their softmax.
    score = -square * 38 + rng.gumbel(size=square.shape)
    chosen = pigments[np.argmax(score, axis=1)]
    return 0.85 * chosen + 0.15 * wanted
