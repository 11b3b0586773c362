"""Panes of colored glass between lead lines, lit from behind."""

import numpy as np

from styleflax.art import palette as colors
from styleflax.art.brush import look_up
from styleflax.art.noise import (
    Picture,
    blur,
    fbm,
    grid,
    mix,
    smoothstep,
    value_noise,
    voronoi,
)
from styleflax.art.scene import compose


def paint(rng: np.random.Generator, size: int) -> Picture:
    """Returns a painting of shape (size, size, 3), in [0, 1]."""
    palette = colors.pick(rng)
    y, x = grid(size)
    points = (_rosette, _panes, _quarries)[rng.integers(3)](rng)
    sway = 0.02
    cell, edge = voronoi(
        points,
        y + sway * value_noise(rng, size, (5.0, 5.0)),
        x + sway * value_noise(rng, size, (5.0, 5.0)),
    )
    scene = compose(rng, size, palette, ("landscape", "still_life", "abstract"))
    seen = look_up(scene.color, np.clip(points, 0, 0.999))
    own = palette[rng.integers(1, len(palette) - 1, len(points))]
    glass = np.where(rng.random(len(points))[:, None] < 0.55, own, seen)
    glass = colors.vivid(colors.jitter(rng, glass, 0.03) * 0.94, 1.9)[cell]
    # Streaks and seeds in the glass; each pane is turned differently.
    streak = fbm(rng, size, (3.0, 14.0), 5) + 0.5 * fbm(rng, size, (24.0, 9.0), 3)
    lit = 0.42 + 0.52 * streak + 0.25 * smoothstep(0.0, 0.05, edge)
    behind = 1.25 - 0.9 * np.hypot(y - rng.uniform(0.2, 0.5), x - rng.uniform(0.3, 0.7))
    glow = (lit * np.clip(behind, 0.45, 1.3))[..., None]
    glass = glass**0.85 * glow + 0.22 * np.clip(glow - 0.9, 0, 1)
    width = rng.uniform(0.0045, 0.0075)
    pixel = 0.75 / size
    lead = 1 - smoothstep(width - pixel, width + pixel, edge)
    ridge = np.clip(1 - np.abs(edge - 0.35 * width) / width, 0, 1) ** 3
    metal = 0.05 + 0.22 * ridge * (1 - y) + 0.05 * fbm(rng, size, 50.0, 2)
    picture = mix(np.clip(glass, 0, 1), metal[..., None] * [0.9, 0.95, 1.05], lead)
    bloom = blur(picture, size / 50)
    return np.clip(picture + 0.3 * np.clip(bloom - 0.3, 0, 1), 0, 1)


def _panes(rng: np.random.Generator) -> np.ndarray:
    """Returns the centers of panes scattered evenly, by throwing out crowded points."""
    spacing = rng.uniform(0.085, 0.14)
    kept: list[np.ndarray] = []
    for point in rng.uniform(-0.05, 1.05, (900, 2)):
        near = np.asarray(kept) - point if kept else np.full((1, 2), 9.0)
        if np.hypot(near[:, 0], near[:, 1]).min() > spacing:
            kept.append(point)
    return np.asarray(kept)


def _quarries(rng: np.random.Generator) -> np.ndarray:
    """Returns the centers of lozenges, with panes of other sizes strewn among them."""
    count = int(rng.integers(6, 10))
    row, column = np.mgrid[-1 : 2 * count + 2, -1 : count + 2]
    points = np.stack([row / 2, column + 0.5 * (row % 2)], axis=-1).reshape(-1, 2)
    kept = rng.random(len(points)) < rng.uniform(0.75, 1.0)
    return points[kept] / count + rng.normal(0, 0.004, (int(kept.sum()), 2))


def _rosette(rng: np.random.Generator) -> np.ndarray:
    """Returns the centers of panes in rings about a center, as in a rose window."""
    center = np.array([0.5, 0.5]) + rng.uniform(-0.12, 0.12, 2)
    petals = rng.integers(6, 11)
    kept = [center[None]]
    radius = rng.uniform(0.09, 0.12)
    for ring in range(1, 10):
        count = petals * (1 if ring == 1 else 2 if ring < 5 else 4)
        turn = (np.arange(count) + 0.5 * (ring % 2)) * 2 * np.pi / count
        away = radius * ring * (1 + 0.08 * (np.arange(count) % 2))
        offset = np.stack([np.sin(turn), np.cos(turn)], axis=1) * away[:, None]
        kept.append(center + offset)
    return np.concatenate(kept)
