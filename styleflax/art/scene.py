"""Motifs that the families paint: landscapes, still lifes, heads, woods, swirls.

A motif says where which color lies and which way the form runs; the family decides
with which marks it is painted.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from styleflax.art.noise import (
    Field,
    Picture,
    equalize,
    fbm,
    grid,
    mix,
    slope,
    smoothstep,
)
from styleflax.art.palette import luma, ramp

Palette = Float[np.ndarray, "n 3"]


class Scene(NamedTuple):
    """A motif: colors in [0, 1], their brightness, and the direction of the form.

    `angle` is in radians, from the x axis toward increasing y.
    """

    color: Picture
    tone: Field
    angle: Field


def _ground(
    rng: np.random.Generator, size: int, palette: Palette, low: float, high: float
) -> Picture:
    """Returns a surface of neighboring colors between two places of the palette."""
    t = equalize(fbm(rng, size, (3.0, 2.0), 4))
    return ramp(palette, low + (high - low) * t)


def _turn_around(angle: Field, cy: float, cx: float, radius: float) -> Field:
    """Returns the directions made to circle round a center within about `radius`."""
    y, x = grid(len(angle))
    near = np.exp(-((y - cy) ** 2 + (x - cx) ** 2) / radius**2)
    around = np.arctan2(x - cx, cy - y)
    sine = (1 - near) * np.sin(angle) + near * 2.0 * np.sin(around)
    cosine = (1 - near) * np.cos(angle) + near * 2.0 * np.cos(around)
    return np.arctan2(sine, cosine)


def _landscape(
    rng: np.random.Generator, size: int, palette: Palette
) -> tuple[Picture, Field]:
    y, x = grid(size)
    horizon = rng.uniform(0.35, 0.6)
    sky = palette[rng.permutation(len(palette))[:3]]
    sky = sky[np.argsort(luma(sky))]
    cloud = equalize(fbm(rng, size, (5.0, 2.0), 5))
    color = ramp(sky, 0.75 * y / horizon + 0.6 * (cloud - 0.5))
    angle = 0.9 * (fbm(rng, size, 2.0, 3) - 0.5)
    cy, cx = rng.uniform(0.1, horizon - 0.05), rng.uniform(0.15, 0.85)
    radius = rng.uniform(0.05, 0.11)
    distance = np.hypot(y - cy, x - cx)
    color = mix(color, palette[-1], np.exp(-((distance / (2.6 * radius)) ** 2)) * 0.8)
    disc = palette[-1] if rng.random() < 0.5 else palette[-2] * [1.0, 0.85, 0.6]
    color = mix(color, disc, smoothstep(0.01, -0.01, distance - radius))
    angle = _turn_around(angle, cy, cx, 4 * radius)
    ridges = rng.integers(3, 6)
    order = rng.permutation(len(palette) - 1)
    for k in range(ridges):
        base = horizon + (1.02 - horizon) * k / ridges
        line = base + (fbm(rng, size, (1.0, 2.0 + k), 4)[0] - 0.6) * 0.28 / (
            1 + 0.5 * k
        )
        here = smoothstep(-0.004, 0.004, y - line[None, :])
        first, second = order[k % len(order)], order[(k + 1) % len(order)]
        pair = palette[[first, second]]
        patch = fbm(rng, size, (6.0, 2.0 + k), 4)
        color = mix(color, ramp(pair, smoothstep(0.3, 0.7, patch) * 0.8), here)
        run = np.arctan(np.gradient(line) * size)[None, :] + 0.5 * (patch - 0.5)
        angle = angle * (1 - here) + run * here
    return color, angle


def _swirls(
    rng: np.random.Generator, size: int, palette: Palette
) -> tuple[Picture, Field]:
    y, x = grid(size)
    flow = 0.35 * fbm(rng, size, 1.5, 2) + 0.3 * y
    for _ in range(rng.integers(3, 7)):
        cy, cx = rng.uniform(0.05, 0.95, 2)
        radius = rng.uniform(0.1, 0.24)
        distance = np.hypot(y - cy, x - cx)
        flow += rng.choice([-1, 1]) * 0.35 * np.exp(-((distance / radius) ** 2))
    gradient_y, gradient_x = slope(flow)
    bands = 0.5 + 0.5 * np.sin(flow * rng.uniform(25, 45))
    t = 0.65 * equalize(flow) + 0.35 * bands
    return ramp(palette, t), np.arctan2(-gradient_x, gradient_y)


def _solid(
    picture: tuple[Picture, Field],
    center: tuple[float, float],
    radii: tuple[float, float],
    color: Float[np.ndarray, " 3"],
    palette: Palette,
) -> tuple[Picture, Field]:
    """Returns the picture with one more rounded body, lit from the upper left."""
    y, x = grid(len(picture[1]))
    v, u = (y - center[0]) / radii[0], (x - center[1]) / radii[1]
    square = u * u + v * v
    here = smoothstep(1.04, 0.96, square)
    depth = np.sqrt(np.clip(1 - square, 0, 1))
    lit = np.clip(0.25 + 0.6 * depth - 0.5 * v - 0.35 * u, 0, 1)
    shades = np.stack([0.6 * palette[0] + 0.1 * color, color, palette[-1]])
    shadow = smoothstep(1.5, 0.6, (u - 0.5) ** 2 * 0.6 + ((v - 0.85) / 0.45) ** 2)
    base = mix(picture[0], palette[0], 0.55 * shadow)
    around = np.arctan2(u * radii[0], -v * radii[1])
    angle = picture[1] * (1 - here) + around * here
    return mix(base, ramp(shades, lit * 0.85), here), angle


def _still_life(
    rng: np.random.Generator, size: int, palette: Palette
) -> tuple[Picture, Field]:
    y, x = grid(size)
    edge = rng.uniform(0.45, 0.65) + 0.12 * rng.uniform(-1, 1) * (x - 0.5)
    table = smoothstep(-0.005, 0.005, y - edge)
    wall = _ground(rng, size, palette, 0.05, 0.55)
    color = mix(wall, _ground(rng, size, palette, 0.5, 1.0), table)
    angle = 1.2 * fbm(rng, size, 2.0, 3) * (1 - table) + 0.2 * table
    picture = (color, angle)
    middles = palette[1:]
    count = rng.integers(4, 8)
    bottoms = np.sort(rng.uniform(0.55, 0.95, count))
    for k, bottom in enumerate(bottoms):
        tall = k < 2 and rng.random() < 0.7
        height = rng.uniform(0.18, 0.28) if tall else rng.uniform(0.07, 0.13)
        width = height * (rng.uniform(0.4, 0.55) if tall else rng.uniform(0.9, 1.25))
        center = (bottom - height, rng.uniform(0.12, 0.88))
        body = middles[rng.integers(len(middles))]
        picture = _solid(picture, center, (height, width), body, palette)
    return picture


def _head(
    rng: np.random.Generator, size: int, palette: Palette
) -> tuple[Picture, Field]:
    angle = 2.0 * fbm(rng, size, 1.5, 3)
    picture = (_ground(rng, size, palette, 0.1, 0.8), angle)
    cx = rng.uniform(0.4, 0.6)
    skin, hair, cloth, lips = palette[rng.permutation(len(palette))[:4]]
    skin = 0.45 * skin + 0.55 * palette[-1]
    lean = rng.uniform(-0.05, 0.05)
    bodies = [
        ((1.02, cx - lean), (0.34, 0.42), cloth),
        ((0.36, cx), (0.29, 0.235), hair),
        ((0.68, cx - 0.3 * lean), (0.16, 0.085), skin),
        ((0.42, cx + lean), (0.235, 0.165), skin),
        ((0.21, cx), (0.1, 0.19), hair),
        ((0.39, cx + lean - 0.07), (0.016, 0.036), palette[0]),
        ((0.39, cx + lean + 0.07), (0.016, 0.036), palette[0]),
        ((0.46, cx + lean + 0.01), (0.06, 0.022), skin),
        ((0.55, cx + lean), (0.018, 0.055), lips),
    ]
    for center, radii, color in bodies:
        picture = _solid(picture, center, radii, color, palette)
    return picture


def _wood(
    rng: np.random.Generator, size: int, palette: Palette
) -> tuple[Picture, Field]:
    y, x = grid(size)
    color, angle = _landscape(rng, size, palette)
    for _ in range(rng.integers(4, 9)):
        bend = rng.uniform(-0.12, 0.12)
        width = rng.uniform(0.012, 0.04)
        line = rng.uniform(0.02, 0.98) + bend * y * y
        line = line + 0.03 * fbm(rng, size, (3.0, 1.0), 3)[:, :1]
        bottom = rng.uniform(0.65, 1.05)
        across = (x - line) / (width * (0.6 + 0.6 * y))
        here = smoothstep(1.1, 0.9, np.abs(across)) * smoothstep(0.01, 0, y - bottom)
        dark, bright = palette[rng.integers(2)], palette[rng.integers(2, len(palette))]
        bark = mix(
            np.broadcast_to(bright, color.shape), dark, smoothstep(-0.8, 0.6, across)
        )
        color = mix(color, bark, here)
        angle = angle * (1 - here) + (np.pi / 2) * here
    leaves = smoothstep(0.5, 0.62, fbm(rng, size, 5.0, 5) + 0.25 * (0.35 - y))
    foliage = _ground(rng, size, palette, 0.15, 0.75)
    return mix(color, foliage, leaves * 0.9), angle


def _abstract(
    rng: np.random.Generator, size: int, palette: Palette
) -> tuple[Picture, Field]:
    flow = fbm(rng, size, 1.6, 3) + 0.35 * fbm(rng, size, 4.0, 4)
    gradient_y, gradient_x = slope(flow)
    levels = equalize(flow) * rng.uniform(1.5, 3.0) % 1
    shuffled = palette[rng.permutation(len(palette))]
    return ramp(shuffled, levels), np.arctan2(-gradient_x, gradient_y)


MOTIFS = {
    "landscape": _landscape,
    "swirls": _swirls,
    "still_life": _still_life,
    "head": _head,
    "wood": _wood,
    "abstract": _abstract,
}


def compose(
    rng: np.random.Generator,
    size: int,
    palette: Palette,
    motifs: tuple[str, ...] = tuple(MOTIFS),
) -> Scene:
    """Returns one motif drawn at random among those named."""
    name = motifs[rng.integers(len(motifs))]
    color, angle = MOTIFS[name](rng, size, palette)
    color = np.clip(color, 0, 1).astype(np.float32)
    return Scene(color, luma(color), angle.astype(np.float32))
