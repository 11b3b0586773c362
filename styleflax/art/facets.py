"""Surfaces of many flat pieces: mosaics, stained glass, cubism."""

import numpy as np
from PIL import Image, ImageDraw

from styleflax.art import palette as colors
from styleflax.art.brush import look_up
from styleflax.art.noise import (
    Field,
    Picture,
    blur,
    fbm,
    grid,
    light,
    mix,
    smoothstep,
    value_noise,
    voronoi,
)
from styleflax.art.scene import compose


def paint_mosaic(rng: np.random.Generator, size: int) -> Picture:
    """Tesserae of stone and glass set in wavy or round rows, with grout between."""
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


def paint_stained_glass(rng: np.random.Generator, size: int) -> Picture:
    """Panes of colored glass between lead lines, lit from behind."""
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


def paint_cubism(rng: np.random.Generator, size: int) -> Picture:
    """Overlapping facets, each shaded from edge to edge, with dark contours."""
    palette = colors.pick(rng)
    if rng.random() < 0.35:
        # Analytic cubism: ochres and grays.
        earth = colors.parse("1d1a17 4a4034 7b6a50 a8926b cdb98f e6dcc0 5e6b66")
        palette = 0.3 * palette[: len(earth)] + 0.7 * earth[: len(palette)]
        palette = palette[np.argsort(colors.luma(palette))]
    scene = compose(rng, size, palette, ("head", "still_life", "abstract"))
    picture = scene.color.copy()
    leans = rng.uniform(0, np.pi) + np.array([0, 0.6, 1.45, 2.2])
    count = rng.integers(55, 85)
    for k in range(count):
        reach = 0.36 * (1 - k / count) ** 1.3 + 0.07
        corners = _facet(rng, leans, reach)
        center = np.clip(corners.mean(axis=0) * size, 0, size - 1).astype(int)
        seen = scene.color[center[0], center[1]]
        own = palette[rng.integers(len(palette))]
        color = colors.vivid(0.4 * seen + 0.6 * own, 1.3)
        _blend(rng, picture, corners, color, palette)
    bristle = fbm(rng, size, (26.0, 90.0), 2) + fbm(rng, size, (90.0, 26.0), 2)
    picture = picture * (0.86 + 0.14 * bristle)[..., None]
    return light(picture, bristle * size / 384, 0.55)


def _facet(rng: np.random.Generator, leans: np.ndarray, reach: float) -> np.ndarray:
    """Returns the corners of a triangle or a quadrilateral along shared directions."""
    first, second = rng.choice(leans, 2, replace=False)
    a = np.array([np.sin(first), np.cos(first)]) * reach * rng.uniform(0.5, 1.4)
    b = np.array([np.sin(second), np.cos(second)]) * reach * rng.uniform(0.35, 1.0)
    start = np.clip(rng.normal(0.5, 0.27, 2), 0, 1) - (a + b) / 2
    if rng.random() < 0.35:
        return np.stack([start, start + a, start + b])
    return np.stack(
        [start, start + a, start + a * rng.uniform(0.4, 1.1) + b, start + b]
    )


def _blend(
    rng: np.random.Generator,
    picture: Picture,
    corners: np.ndarray,
    color: np.ndarray,
    palette: np.ndarray,
) -> None:
    """Lays a facet over the picture, in place: full at one edge, gone at the other."""
    size = len(picture)
    low = np.clip(np.floor(corners.min(axis=0) * size) - 2, 0, size).astype(int)
    high = np.clip(np.ceil(corners.max(axis=0) * size) + 3, 0, size).astype(int)
    if (high - low).min() < 2:
        return
    fill, contour = _stencil(rng, corners * size - low, high - low)
    y, x = np.ogrid[low[0] : high[0], low[1] : high[1]]
    start, run = corners[0] * size, (corners[1] - corners[0]) * size
    across = np.array([-run[1], run[0]])
    middle = corners.mean(axis=0) * size - start
    across = across * np.sign(middle @ across) / max(np.hypot(*across), 1e-6)
    depth = np.abs((corners * size - start) @ across).max()
    t = np.clip(((y - start[0]) * across[0] + (x - start[1]) * across[1]) / depth, 0, 1)
    dark = rng.random() < 0.5
    end = palette[0] if dark else palette[-1]
    tint = mix(np.broadcast_to(0.7 * color + 0.3 * end, (*t.shape, 3)), color, t)
    window = picture[low[0] : high[0], low[1] : high[1]]
    share = fill * (0.95 - 0.75 * smoothstep(0.1, 1.0, t))
    laid = mix(window, tint, share)
    window[...] = mix(laid, palette[0] * 0.6, contour * (0.9 - 0.7 * t))


def _stencil(
    rng: np.random.Generator, corners: np.ndarray, shape: np.ndarray
) -> tuple[Field, Field]:
    """Returns the facet's cover and its contour over a window, smoothed."""
    side = (int(shape[1]) * 2, int(shape[0]) * 2)
    xy = (corners[:, ::-1] * 2).ravel().tolist()
    fill, contour = Image.new("L", side), Image.new("L", side)
    ImageDraw.Draw(fill).polygon(xy, fill=255)
    edges = xy + xy[:2] if rng.random() < 0.4 else xy[: 4 + 2 * int(rng.integers(2))]
    width = int(rng.integers(2, 5))
    ImageDraw.Draw(contour).line(edges, fill=255, width=width)
    cover, line = (np.asarray(m.reduce(2), np.float32) / 255 for m in (fill, contour))
    return cover, line
