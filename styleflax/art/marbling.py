"""Floating colors drawn into feathers and swirls with combs, as in ebru."""

import numpy as np

from styleflax.art import palette as colors
from styleflax.art.brush import Canvas
from styleflax.art.noise import (
    Field,
    Picture,
    fbm,
    grid,
    sample,
    value_noise,
)


def paint(rng: np.random.Generator, size: int) -> Picture:
    """Returns a painting of shape (size, size, 3), in [0, 1]."""
    palette = colors.vivid(colors.pick(rng), 1.2)
    base = _drops(rng, size, palette)
    # Twice the size, so that colors drawn out thin stay smooth.
    y, x = grid(2 * size)
    # A margin, so that little is drawn in from beyond the base's edge.
    y, x = 0.14 + 0.72 * y, 0.14 + 0.72 * x
    sway = rng.uniform(0.01, 0.05)
    y = y + sway * value_noise(rng, 2 * size, (3.0, 3.0))
    x = x + sway * value_noise(rng, 2 * size, (3.0, 3.0))
    style = rng.integers(4)
    if style in (0, 1):
        x, y = _comb(rng, x, y, rng.uniform(5, 9), 0.16)
        y, x = _comb(rng, y, x, rng.uniform(6, 14), 0.1)
    if style in (1, 2):
        y, x = _comb(rng, y, x, rng.uniform(12, 20), 0.06)
    if style in (2, 3):
        for _ in range(rng.integers(3, 8)):
            y, x = _swirl(rng, y, x)
    drawn = sample(base, y, x)
    picture = drawn.reshape(size, 2, size, 2, 3).mean(axis=(1, 3))
    speckle = fbm(rng, size, 120.0, 2)
    return np.clip(picture * (0.93 + 0.12 * speckle)[..., None], 0, 1)


def _drops(rng: np.random.Generator, size: int, palette: np.ndarray) -> Picture:
    """Returns drops of color on color, each with rings."""
    canvas = Canvas(int(1.3 * size), palette[rng.integers(len(palette))])
    order = rng.permutation(len(palette))
    turn = np.linspace(0, 2 * np.pi, 28, endpoint=False)
    for k in range(130):
        center = rng.uniform(-0.05, 1.05, 2)
        radius = rng.uniform(0.04, 0.14) * (1 - 0.5 * k / 130)
        phase = rng.uniform(0, 6, 2)
        dents = (
            1 + 0.1 * np.sin(2 * turn + phase[0]) + 0.06 * np.sin(5 * turn + phase[1])
        )
        edge = np.stack([np.sin(turn), np.cos(turn)], axis=1) * dents[:, None] * radius
        for ring in range(rng.integers(1, 6)):
            color = palette[order[(k + ring) % len(order)]]
            canvas.polygon(center + edge * (1 - 0.2 * ring), color)
    for point in rng.uniform(0, 1, (260, 2)):
        radius = 0.016 * rng.random() ** 3 + 0.002
        canvas.disc(point, radius, palette[rng.integers(len(palette))])
    return canvas.finish()[0]


def _comb(
    rng: np.random.Generator, along: Field, across: Field, teeth: float, pull: float
) -> tuple[Field, Field]:
    """Returns the coordinates before a comb was drawn along the first of them.

    Teeth go there and back in turn; the color near a tooth is pulled along with it.
    """
    wave = 0.25 * np.sin(2 * np.pi * (2 * along + rng.random()))
    tooth = np.sin(np.pi * (across * teeth + wave + rng.random()))
    drag = np.sign(tooth) * np.abs(tooth) ** 1.5
    return along + pull * drag, across


def _swirl(rng: np.random.Generator, y: Field, x: Field) -> tuple[Field, Field]:
    """Returns the coordinates before a stylus turned the color about a point."""
    cy, cx = rng.uniform(0.1, 0.9, 2)
    radius = rng.uniform(0.1, 0.28)
    away = np.hypot(y - cy, x - cx)
    turn = rng.choice([-1, 1]) * rng.uniform(3, 7) * np.exp(-((away / radius) ** 2))
    turn = turn.astype(np.float32)
    sine, cosine = np.sin(turn), np.cos(turn)
    v, u = y - cy, x - cx
    return cy + v * cosine - u * sine, cx + v * sine + u * cosine
