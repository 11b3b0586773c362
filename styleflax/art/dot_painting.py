"""Rings and rows of painted dots round a few centers, over dyed ground with cracks."""

import numpy as np

from styleflax.art import palette as colors
from styleflax.art.brush import Canvas, look_up
from styleflax.art.noise import (
    Field,
    Picture,
    fbm,
    grid,
    light,
    smoothstep,
    voronoi,
)


def paint(rng: np.random.Generator, size: int) -> Picture:
    """Returns a painting of shape (size, size, 3), in [0, 1]."""
    palette = colors.vivid(colors.pick(rng), 1.25)
    centers = _centers(rng)
    y, x = grid(size)
    sway = 0.035 * (fbm(rng, size, 2.0, 2) - 0.5)
    owner, _ = voronoi(centers, y + sway, x - sway)
    gap = rng.uniform(0.024, 0.034)
    ground = _ground(rng, palette, centers, owner, gap)
    canvas = Canvas(size, ground)
    for k, center in enumerate(centers):
        order = rng.permutation(len(palette))
        _rings(
            rng,
            canvas,
            owner,
            number=k,
            center=center,
            palette=palette[order],
            gap=gap,
        )
    picture, thickness = canvas.finish()
    cloth = fbm(rng, size, 110.0, 2)
    return light(
        picture * (0.92 + 0.12 * cloth)[..., None], thickness * size / 384, 1.0
    )


def _centers(rng: np.random.Generator) -> np.ndarray:
    """Returns three to seven centers that keep apart."""
    wanted, kept = int(rng.integers(3, 8)), [rng.uniform(0.1, 0.9, 2)]
    for point in rng.uniform(0.0, 1.0, (200, 2)):
        apart = np.hypot(*(np.asarray(kept) - point).T).min()
        if apart > 0.28 and len(kept) < wanted:
            kept.append(point)
    return np.asarray(kept)


def _ground(
    rng: np.random.Generator,
    palette: np.ndarray,
    centers: np.ndarray,
    owner: np.ndarray,
    gap: float,
) -> Picture:
    """Returns cloth dyed in broad rings, with the fine cracks of broken wax."""
    size = len(owner)
    y, x = grid(size)
    away = np.hypot(y - centers[owner, 0], x - centers[owner, 1])
    band = (np.floor(away / gap / 3).astype(int) + owner) % 3
    dyes = palette[[0, 1, 2]] * rng.uniform(0.5, 1.0, (3, 1))
    dyed = dyes[band] * (0.75 + 0.5 * fbm(rng, size, 4.0, 5))[..., None]
    cracks = np.abs(fbm(rng, size, 5.0, 6, 0.65) - 0.5)
    vein = smoothstep(0.008, 0.002, cracks)[..., None] * 0.5
    return dyed * (1 - vein) + palette[-1] * vein


def _rings(
    rng: np.random.Generator,
    canvas: Canvas,
    owner: Field,
    *,
    number: int,
    center: np.ndarray,
    palette: np.ndarray,
    gap: float,
) -> None:
    """Draws the rings of one center, as far as its own part of the cloth reaches."""
    core = palette[-1]
    canvas.disc(center, gap, palette[0], 0.5)
    canvas.disc(center, 0.6 * gap, core, 1.0)
    period = int(rng.integers(2, 5))
    for ring in range(1, 48):
        radius = gap * (ring + 0.7)
        small = ring % period == 0
        size = gap * (0.24 if small else 0.42)
        count = max(6, int(2 * np.pi * radius / (2.25 * size)))
        turn = (np.arange(count) + 0.5 * (ring % 2)) * 2 * np.pi / count
        points = center + radius * np.stack([np.sin(turn), np.cos(turn)], axis=1)
        near = ((points > -0.02) & (points < 1.02)).all(axis=1)
        points = points[near & (look_up(owner, points) == number)]
        color = palette[(ring // period if not small else ring) % len(palette)]
        tints = colors.jitter(rng, np.tile(color, (len(points), 1)), 0.035)
        for point, tint in zip(points, tints, strict=True):
            canvas.disc(point, size * rng.uniform(0.85, 1.1), tint, 1.0)
            if not small and ring % 2 == 0:
                canvas.disc(point, 0.42 * size, palette[(ring + 2) % len(palette)], 1.0)
