"""Dots of unmixed color: fine ones that mix in the eye, and rows around centers."""

import numpy as np

from styleflax.art import palette as colors
from styleflax.art.brush import Canvas, look_up, scatter
from styleflax.art.noise import Field, Picture, fbm, grid, light, smoothstep, voronoi
from styleflax.art.scene import compose


def paint_pointillism(rng: np.random.Generator, size: int) -> Picture:
    """Dots of unmixed color that mix in the eye."""
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


def paint_dot_painting(rng: np.random.Generator, size: int) -> Picture:
    """Rings and rows of dots around a few centers, over dyed ground with cracks."""
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
