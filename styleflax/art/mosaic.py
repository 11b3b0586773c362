"""Tesserae of stone and glass set in wavy or round rows, with grout between."""

import numpy as np

from styleflax.art import palette as colors
from styleflax.art.noise import (
    Field,
    Picture,
    fbm,
    grid,
    light,
    mix,
    smoothstep,
)
from styleflax.art.scene import compose


def paint(rng: np.random.Generator, size: int) -> Picture:
    """Returns a painting of shape (size, size, 3), in [0, 1]."""
    palette = colors.pick(rng)
    motifs = ("landscape", "still_life", "head", "abstract", "swirls")
    scene = compose(rng, size, palette, motifs)
    count = rng.uniform(26, 44)
    rows, columns = (_round if rng.random() < 0.5 else _wavy)(rng, size, count)
    row, column = np.floor(rows), np.floor(columns)
    tile = _number(row, column)
    tiles = int(tile.max()) + 1
    share = np.bincount(tile.ravel(), minlength=tiles)[:, None]
    sums = [
        np.bincount(tile.ravel(), scene.color[..., c].ravel(), tiles) for c in range(3)
    ]
    mean = (np.stack(sums, axis=1) / np.maximum(share, 1)).astype(np.float32)
    stone = colors.vivid(colors.jitter(rng, mean, 0.055), 1.25)
    gold = rng.random(tiles) < 0.03
    stone[gold] = colors.accent(palette)
    inside = _distance_inside(rng, rows - row, columns - column, tile, tiles)
    pixel = count / size
    cover = smoothstep(-0.5 * pixel, 0.8 * pixel, inside)
    grout = (palette[0] if rng.random() < 0.6 else palette[-1]) * 0.55 + 0.12
    grain = 0.9 + 0.2 * fbm(rng, size, 40.0, 3)
    faces = stone[tile] * grain[..., None]
    picture = mix(np.broadcast_to(grout, faces.shape) * grain[..., None], faces, cover)
    tilt = rng.normal(0, 0.5, (tiles, 2)).astype(np.float32)[tile]
    dome = smoothstep(0.0, 0.22, inside) * 1.6
    facet = tilt[..., 0] * (rows - row) + tilt[..., 1] * (columns - column)
    return light(picture, (dome + 0.6 * facet * cover) * size / count / 12, 1.1)


def _wavy(rng: np.random.Generator, size: int, count: float) -> tuple[Field, Field]:
    """Returns row and column coordinates of a bent grid; odd rows shift by half."""
    y, x = grid(size)
    turn = rng.uniform(-0.6, 0.6)
    sway = rng.uniform(0.05, 0.16)
    rows = (y * np.cos(turn) + x * np.sin(turn) + sway * fbm(rng, size, 2.0, 2)) * count
    columns = (x * np.cos(turn) - y * np.sin(turn)) * count
    columns = columns + count * sway * fbm(rng, size, 2.0, 2)
    return rows, columns + 0.5 * (np.floor(rows) % 2)


def _round(rng: np.random.Generator, size: int, count: float) -> tuple[Field, Field]:
    """Returns ring and position along it, for rings about a center in the picture."""
    y, x = grid(size)
    cy, cx = rng.uniform(0.25, 0.75, 2)
    ripple = rng.uniform(0.0, 0.1) * fbm(rng, size, 2.0, 2)
    rows = (np.hypot(y - cy, x - cx) + ripple) * count
    turn = np.arctan2(y - cy, x - cx) / (2 * np.pi) + 0.5
    # As many stones in a ring as make them square.
    per_ring = np.maximum(np.round((np.floor(rows) + 0.5) * 2 * np.pi), 4)
    return rows, turn * per_ring + 0.37 * (np.floor(rows) % 3)


def _number(row: Field, column: Field) -> np.ndarray:
    """Returns a number from 0 for each pair of row and column."""
    row = (row - row.min()).astype(np.int64)
    column = (column - column.min()).astype(np.int64)
    return row * (column.max() + 1) + column


def _distance_inside(
    rng: np.random.Generator, v: Field, u: Field, tile: np.ndarray, tiles: int
) -> Field:
    """Returns the distance to the stone's edge in stones; each has its own size."""
    margin = rng.uniform(0.03, 0.12, (4, tiles)).astype(np.float32)[:, tile]
    skew = rng.normal(0, 0.06, (2, tiles)).astype(np.float32)[:, tile]
    v, u = v + skew[0] * (u - 0.5), u + skew[1] * (v - 0.5)
    sides = np.stack([v, 1 - v, u, 1 - u]) - margin
    return sides.min(axis=0)
