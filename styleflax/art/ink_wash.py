"""Mountains in mist, pines and bamboo in one black ink on paper, and a red seal."""

import itertools

import numpy as np
from jaxtyping import Float

from styleflax.art import palette as colors
from styleflax.art.noise import (
    Field,
    Picture,
    fbm,
    grid,
    smoothstep,
    value_noise,
)


def paint(rng: np.random.Generator, size: int) -> Picture:
    """Returns a painting of shape (size, size, 3), in [0, 1]."""
    y, x = grid(size)
    tint = colors.pick(rng)
    paper = 0.12 * tint[-1] + np.array([0.83, 0.81, 0.74], np.float32)
    fibre = fbm(rng, size, (40.0, 90.0), 3)
    ink = np.zeros((size, size), np.float32)
    dry = fbm(rng, size, (30.0, 60.0), 3)
    ranges = rng.integers(3, 6)
    for k in range(ranges):
        ink = np.maximum(ink, _range(rng, size, 0.15 + 0.7 * k / ranges, k / ranges))
    plant = _bamboo if rng.random() < 0.5 else _branch
    ink = np.maximum(ink, plant(rng, size) * (0.75 + 0.35 * dry))
    wash = 0.1 * smoothstep(0.45, 0.75, fbm(rng, size, (2.0, 3.0), 5))
    ink = np.clip(ink + wash, 0, 1)
    if rng.random() < 0.6:
        # A breath of color in the mist.
        mist = smoothstep(0.45, 0.8, fbm(rng, size, (3.0, 2.0), 4))[..., None] * 0.55
        paper = paper * (1 - mist) + colors.vivid(tint[rng.integers(2, 6)], 0.9) * mist
    density = ink**0.9 * (0.9 + 0.25 * fibre)
    black = 0.25 * tint[0] + np.array([0.03, 0.035, 0.05], np.float32)
    picture = paper * (0.94 + 0.09 * fibre)[..., None]
    picture = picture * (1 - density[..., None]) + black * density[..., None]
    return np.clip(_seal(rng, picture, y, x), 0, 1)


def _range(rng: np.random.Generator, size: int, top: float, near: float) -> Field:
    """Returns the ink of one range: dark at its ridge, lost in mist below."""
    y, _ = grid(size)
    line = top + 0.42 * (fbm(rng, size, (1.0, 2.5), 6, 0.52)[0] - 0.45)
    below = y - line[None, :]
    body = smoothstep(-0.003, 0.005, below) * np.exp(-np.clip(below, 0, 1) * 9)
    strokes = fbm(rng, size, (10.0, 26.0), 4)
    texture = 0.35 + 0.95 * smoothstep(0.4, 0.62, strokes)
    return np.clip(body * texture * (0.3 + 0.75 * near), 0, 1)


def _box(size: int, ends: np.ndarray, margin: float) -> tuple[slice, slice]:
    """Returns the part of a picture round two points: the rest need not be computed."""
    low = np.clip((ends.min(axis=0) - margin) * size, 0, size).astype(int)
    high = np.clip((ends.max(axis=0) + margin) * size + 1, 0, size).astype(int)
    return slice(low[0], high[0]), slice(low[1], high[1])


def _limb(
    ink: Field,
    at: tuple[Field, Field],
    ends: Float[np.ndarray, "2 2"],
    wide: float,
    tone: tuple[float, float],
) -> None:
    """Draws a limb that tapers a little, in place; `tone` is that of core and rim."""
    box = _box(len(ink), ends, wide + 0.02)
    y, x = at[0][box], at[1][box]
    start, run = ends[0], ends[1] - ends[0]
    t = ((y - start[0]) * run[0] + (x - start[1]) * run[1]) / float(run @ run)
    t = np.clip(t, 0, 1)
    away = np.hypot(y - start[0] - t * run[0], x - start[1] - t * run[1])
    width = wide * (1 - 0.2 * t)
    cover = smoothstep(0.0025, -0.0025, away - width)
    shade = tone[0] + (tone[1] - tone[0]) * np.clip(away / width, 0, 1) ** 2
    ink[box] = np.maximum(ink[box], cover * shade)


def _leaf(
    ink: Field, at: tuple[Field, Field], tip: np.ndarray, turn: float, tone: float
) -> None:
    """Draws a pointed leaf that hangs from a point, in place."""
    sine, cosine = np.sin(turn), np.cos(turn)
    length = 0.08 + 0.12 * tone
    ends = np.stack([tip, tip + length * np.array([sine, cosine])])
    box = _box(len(ink), ends, 0.03)
    y, x = at[0][box] - tip[0], at[1][box] - tip[1]
    along = (y * sine + x * cosine) / length
    across = x * sine - y * cosine
    width = 0.1 * length * np.sin(np.pi * np.clip(along, 0, 1) ** 0.7)
    cover = smoothstep(0.002, -0.002, np.abs(across) - width)
    ink[box] = np.maximum(ink[box], cover * (along > 0) * (along < 1) * tone)


def _bamboo(rng: np.random.Generator, size: int) -> Field:
    """Returns stalks with knots and hanging leaves."""
    at = grid(size)
    ink = np.zeros((size, size), np.float32)
    for _ in range(rng.integers(2, 5)):
        foot, lean = rng.uniform(0.05, 0.95), rng.uniform(-0.2, 0.2)
        wide, tone = rng.uniform(0.008, 0.018), rng.uniform(0.45, 1.0)
        knots = np.arange(1.05, -0.2, -rng.uniform(0.16, 0.26))
        points = np.stack([knots, foot + lean * (1 - knots)], axis=1)
        for ends in itertools.pairwise(points):
            gap = np.array([[-0.006, 0.0], [0.006, 0.0]])
            _limb(ink, at, np.stack(ends) + gap, wide, (0.65 * tone, tone))
            for _ in range(rng.integers(0, 5)):
                turn = np.pi / 2 + rng.normal(0, 0.75)
                _leaf(ink, at, ends[1], turn, rng.uniform(0.5, 1.0))
    return ink


def _branch(rng: np.random.Generator, size: int) -> Field:
    """Returns a crooked branch with twigs and blots of blossom or needles."""
    y, x = grid(size)
    ragged = 0.006 * value_noise(rng, size, (40.0, 40.0))
    at = (y + ragged, x - ragged)
    ink = np.zeros_like(y)
    limbs = [(np.array([rng.uniform(0.6, 0.95), -0.02]), -0.35, 0.024)]
    while limbs:
        tip, turn, wide = limbs.pop()
        for _ in range(4):
            turn = float(np.clip(turn + rng.normal(0, 0.4), -1.5, 0.9))
            step = np.array([np.sin(turn), np.cos(turn)]) * rng.uniform(0.09, 0.16)
            _limb(ink, at, np.stack([tip, tip + step]), wide, (1.0, 1.0))
            tip, wide = tip + step, 0.8 * wide
            if wide > 0.011 and rng.random() < 0.6:
                limbs.append((tip, turn + rng.choice([-0.9, 0.9]), 0.55 * wide))
            for spot in tip + rng.normal(0, 0.022, (2, 2)):
                ends = np.stack([spot, spot + 0.001])
                _limb(ink, at, ends, rng.uniform(0.006, 0.016), (0.7, 0.7))
    return ink[:, ::-1] if rng.random() < 0.5 else ink


def _seal(rng: np.random.Generator, picture: Picture, y: Field, x: Field) -> Picture:
    """Returns the picture with a square red seal in one of its corners."""
    half = rng.uniform(0.028, 0.042)
    cy, cx = rng.choice([0.08, 0.92], 2)
    v, u = (y - cy) / half, (x - cx) / half
    body = smoothstep(1.04, 0.96, np.maximum(np.abs(v), np.abs(u)))
    marks = np.sin(u * 6 + np.sin(v * 5 + rng.uniform(0, 6))) * np.sin(v * 7)
    share = (body * (1 - 0.8 * smoothstep(0.2, 0.4, marks)))[..., None]
    return picture * (1 - share) + np.array([0.74, 0.16, 0.12], np.float32) * share
