"""Transparent washes with wet edges, blooms and pigment in the grain of the paper."""

import numpy as np

from styleflax.art import palette as colors
from styleflax.art.noise import (
    Field,
    Picture,
    fbm,
    grid,
    light,
    smoothstep,
    value_noise,
)


def paint(rng: np.random.Generator, size: int) -> Picture:
    """Returns a painting of shape (size, size, 3), in [0, 1]."""
    palette = colors.vivid(colors.pick(rng)[:-1], 1.3)
    tooth = value_noise(rng, size, (150.0, 150.0)) + value_noise(
        rng, size, (70.0, 70.0)
    )
    # Washes multiply, so they add as optical density.
    density = np.zeros((size, size, 3), np.float32)
    # Twice as wide as the picture: every wash takes a part of its own.
    wide = [fbm(rng, 2 * size, cells, 6, 0.55) for cells in (5.0, 9.0)]
    wide.append(wide[1][::-1].T)
    layout = (_hills, _blots, _flowers)[rng.integers(3)]
    for shape, strength in layout(rng, size, wide):
        first, second = palette[rng.integers(len(palette), size=2)]
        mottle = _part(rng, wide[rng.integers(3)])
        share = smoothstep(0.3, 0.7, mottle)[..., None]
        pigment = first * (1 - share) + (0.6 * first + 0.4 * second) * share
        wash = _wash(shape, mottle, tooth)
        density += wash[..., None] * strength * -np.log(np.clip(pigment, 0.05, 0.97))
    for _ in range(rng.integers(10, 60)):
        _splash(rng, density, palette)
    paper = np.array([0.985, 0.97, 0.935], np.float32)
    return light(paper * np.exp(-density), tooth * size / 384, 0.06)


def _part(rng: np.random.Generator, field: Field) -> Field:
    """Returns a part of half the sides of a field, anywhere in it."""
    size = len(field) // 2
    top, left = rng.integers(size, size=2)
    return field[top : top + size, left : left + size]


def _wash(shape: Field, mottle: Field, tooth: Field) -> Field:
    """Returns the pigment of a wash that covers where shape > 0, in [0, 1.6].

    Water carries pigment to the rim, where it dries as a dark line.
    """
    cover = smoothstep(-0.006, 0.008, shape)
    rim = np.exp(-np.clip(shape, 0, None) / 0.022)
    inner = 0.34 + 0.5 * smoothstep(0.25, 0.8, mottle)
    bloom = np.exp(-(((mottle - 0.52) / 0.012) ** 2)) * 0.14
    granules = 1 + 0.22 * tooth * inner
    return cover * (inner + 0.6 * rim + bloom) * granules


def _blots(
    rng: np.random.Generator, size: int, fields: list[Field]
) -> list[tuple[Field, float]]:
    """Returns round blots that overlap."""
    y, x = grid(size)
    shapes = []
    for _ in range(rng.integers(10, 19)):
        cy, cx = rng.uniform(0, 1, 2)
        radius = rng.uniform(0.06, 0.3)
        ragged = _part(rng, fields[rng.integers(3)])
        away = np.hypot(y - cy, (x - cx) * rng.uniform(0.7, 1.3))
        reach = radius * (0.55 + 0.9 * ragged)
        shapes.append((reach - away, rng.uniform(0.3, 0.75)))
    return shapes


def _hills(
    rng: np.random.Generator, size: int, fields: list[Field]
) -> list[tuple[Field, float]]:
    """Returns a sky with clouds, and ranges of hills that darken toward the front."""
    y, x = grid(size)
    cloud, high, rough = (_part(rng, field) for field in fields)
    shapes = [(cloud - 0.38 - 0.3 * y, 0.5), (high - 0.5 - 0.3 * y, 0.45)]
    cy, cx = rng.uniform(0.12, 0.3), rng.uniform(0.2, 0.8)
    sun = rng.uniform(0.05, 0.09) - np.hypot(y - cy, x - cx)
    shapes.append((sun + 0.02 * (rough - 0.5), 0.9))
    count = rng.integers(4, 7)
    for k in range(count):
        base = 0.35 + 0.62 * k / count
        line = fbm(rng, size, (1.0, 2.0 + k), 5)[0][None, :]
        top = y - base + 0.3 * (line - 0.5) + 0.03 * (rough - 0.5)
        fade = 0.35 * np.clip(top - 0.1, 0, 1)
        shapes.append((top - fade, 0.3 + 0.35 * k / count))
    return shapes


def _flowers(
    rng: np.random.Generator, size: int, fields: list[Field]
) -> list[tuple[Field, float]]:
    """Returns loose flowers of five to eight petals over a pale ground."""
    y, x = grid(size)
    shapes = [(_part(rng, fields[0]) - 0.42, 0.35), (0.5 - _part(rng, fields[1]), 0.3)]
    for _ in range(rng.integers(8, 14)):
        cy, cx = rng.uniform(0.05, 0.95, 2)
        radius = rng.uniform(0.09, 0.2)
        away = np.hypot(y - cy, x - cx)
        turn = np.arctan2(y - cy, x - cx) + rng.uniform(0, 6)
        petals = 0.62 + 0.38 * np.abs(np.cos(turn * rng.integers(5, 9) / 2))
        ragged = _part(rng, fields[2])
        reach = radius * petals * (0.7 + 0.6 * ragged)
        shapes.append((reach - away, rng.uniform(0.6, 1.0)))
        shapes.append((0.25 * reach - away, 0.9))
    return shapes


def _splash(rng: np.random.Generator, density: np.ndarray, palette: np.ndarray) -> None:
    """Adds one small drop to the density, in place."""
    size = len(density)
    radius = rng.uniform(0.002, 0.009) * size
    cy, cx = rng.uniform(0, size, 2)
    low_y, low_x = (max(int(c - radius - 2), 0) for c in (cy, cx))
    window = density[low_y : int(cy + radius + 3), low_x : int(cx + radius + 3)]
    y, x = np.ogrid[: window.shape[0], : window.shape[1]]
    away = np.hypot(y + low_y - cy, x + low_x - cx)
    drop = smoothstep(radius + 0.7, radius - 0.7, away) * (0.4 + 0.6 * away / radius)
    pigment = palette[rng.integers(len(palette))]
    window += drop[..., None] * -np.log(np.clip(pigment, 0.05, 0.97)) * 0.8
