"""Printed waves: flat bands with outlines, stripes and foam under a shaded sky."""

from typing import NamedTuple

import numpy as np

from styleflax.art import palette as colors
from styleflax.art.brush import Canvas
from styleflax.art.noise import Picture, fbm, grid, mix, smoothstep

AXIS = np.linspace(-0.05, 1.05, 160)
FOOT = np.array([[1.1, 1.05], [1.1, -0.05]])
LINE = 0.0042


class _Print(NamedTuple):
    """What every block of one print shares; `key` is the color of the outlines."""

    rng: np.random.Generator
    canvas: Canvas
    palette: np.ndarray
    paper: np.ndarray
    key: np.ndarray
    horizon: float


def paint(rng: np.random.Generator, size: int) -> Picture:
    """Returns a painting of shape (size, size, 3), in [0, 1]."""
    palette = colors.pick(rng)
    paper = 0.4 * palette[-1] + np.array([0.57, 0.54, 0.45], np.float32)
    key = 0.75 * palette[0] * np.array([0.8, 0.85, 1.1], np.float32)
    canvas = Canvas(size, _sky(rng, size, palette, paper))
    horizon = rng.uniform(0.38, 0.62)
    sheet = _Print(rng, canvas, palette, paper, key, horizon)
    if rng.random() < 0.75:
        _sun(sheet)
    if rng.random() < 0.75:
        _mountain(sheet)
    for _ in range(rng.integers(2, 6)):
        _mist(sheet)
    rows = rng.integers(5, 9)
    water = palette[np.sort(rng.permutation(len(palette) - 1)[:3])]
    scales = rng.random() < 0.35
    for k, base in enumerate(np.linspace(horizon, 1.0, rows, endpoint=False)):
        height = 0.02 + 0.13 * (k + 1) / rows * rng.uniform(0.5, 1)
        _wave(sheet, _crest(rng, base, height), 0.15 * paper + 0.85 * water[k % 3])
        if scales and k == rows // 2:
            _scales(sheet, base + 0.06, water)
            break
    picture, _ = canvas.finish()
    grain = fbm(rng, size, (5.0, 110.0), 2) if rng.random() < 0.5 else 0.5
    tooth = 0.9 + 0.08 * grain + 0.07 * fbm(rng, size, 90.0, 2)
    return picture * tooth[..., None]


def _sky(
    rng: np.random.Generator, size: int, palette: np.ndarray, paper: np.ndarray
) -> Picture:
    """Returns paper with a band of ink wiped out downwards, and one at the horizon."""
    y, _ = grid(size)
    top, low = palette[rng.permutation(len(palette) - 1)[:2]]
    sky = mix(paper, 0.55 * low + 0.45 * paper, 0.7 * smoothstep(0.2, 0.6, y))
    return mix(sky, top, smoothstep(rng.uniform(0.15, 0.4), 0.0, y))


def _sun(sheet: _Print) -> None:
    rng, canvas, palette, _, key, horizon = sheet
    center = np.array([rng.uniform(0.15, horizon), rng.uniform(0.15, 0.85)])
    radius = rng.uniform(0.07, 0.16)
    canvas.disc(center, radius + LINE, key)
    canvas.disc(center, radius, colors.vivid(colors.accent(palette), 1.2))


def _mountain(sheet: _Print) -> None:
    """Draws a cone with a cap of snow."""
    rng, canvas, palette, paper, key, horizon = sheet
    peak, cx = rng.uniform(0.12, 0.28), rng.uniform(0.25, 0.75)
    away = np.maximum(np.abs(AXIS - cx) - 0.03, 0)
    line = (
        peak
        + 0.02
        + rng.uniform(1.0, 1.5) * away
        - 0.55 * away**2
        + 0.012 * (away < 1e-6)
    )
    side = np.stack([line, AXIS], axis=1)
    body = palette[rng.integers(1, len(palette) - 1)]
    canvas.polygon(np.concatenate([side, FOOT]), body)
    snow = peak + 0.1 * (horizon - peak) / 0.3
    near = np.abs(line - peak) < snow - peak
    ragged = snow + 0.03 * np.sin(AXIS[near][::-1] * 110) * rng.uniform(0.5, 1)
    hem = np.stack([np.maximum(ragged, line[near][::-1]), AXIS[near][::-1]], axis=1)
    canvas.polygon(np.concatenate([side[near], hem]), paper)
    canvas.line(side, LINE, key)


def _mist(sheet: _Print) -> None:
    """Draws a bank of mist: stacked bars with round ends."""
    rng, canvas, _, paper, key, horizon = sheet
    y, x = rng.uniform(0.05, horizon), rng.uniform(-0.1, 0.9)
    thick = rng.uniform(0.022, 0.035)
    starts = x + rng.uniform(-0.12, 0.12, rng.integers(2, 4))
    stops = starts + rng.uniform(0.15, 0.45, len(starts))
    rows = y + 1.7 * thick * np.arange(len(starts))
    bars = np.stack([rows, starts, rows, stops], axis=1).reshape(-1, 2, 2)
    for grow, color in ((LINE, key), (0.0, paper)):
        for ends in bars:
            canvas.line(ends, 2 * (thick + grow), color)
            canvas.disc(ends[0], thick + grow, color)
            canvas.disc(ends[1], thick + grow, color)


def _crest(rng: np.random.Generator, base: float, height: float) -> np.ndarray:
    """Returns the line of a wave, with cusps that lean to one side."""
    period = rng.uniform(0.22, 0.5) * (0.6 + 2.2 * height)
    phase = (AXIS / period + rng.random()) % 1
    lean = rng.uniform(0.3, 0.7)
    rise = np.where(phase < lean, phase / lean, (1 - phase) / (1 - lean)) ** 1.9
    swell = 0.25 * np.sin(AXIS * rng.uniform(4, 9) + rng.uniform(0, 6))
    return np.stack([base - height * (rise + swell), AXIS], axis=1)


def _wave(sheet: _Print, crest: np.ndarray, color: np.ndarray) -> None:
    """Draws one row of waves: body, stripes that follow it, crest and foam."""
    rng, canvas, _, paper, key, _ = sheet
    canvas.polygon(np.concatenate([crest, FOOT]), color)
    gap = rng.uniform(0.014, 0.024)
    tints = 0.6 * color + 0.4 * key, 0.55 * color + 0.45 * paper
    for k in range(1, rng.integers(3, 8)):
        canvas.line(crest + np.array([gap * k, 0]), 0.35 * gap, tints[k % 2])
    canvas.line(crest + np.array([0.3 * gap, 0]), 0.8 * gap, paper)
    canvas.line(crest, LINE, key)
    tips = crest[np.argsort(crest[:, 0])[: len(crest) // 3]]
    for tip in tips[rng.random(len(tips)) < 0.7]:
        at = tip + rng.normal([-0.004, 0], 0.011, 2)
        radius = rng.uniform(0.004, 0.012)
        canvas.disc(at, radius + 0.6 * LINE, key)
        canvas.disc(at, radius, paper)


def _scales(sheet: _Print, top: float, water: np.ndarray) -> None:
    """Covers the foot of the picture with seigaiha, rows of rings like scales."""
    _, canvas, _, paper, key, _ = sheet
    radius = 0.07
    for row, y in enumerate(np.arange(top, 1.1, radius / 2)):
        for x in np.arange(-radius * (row % 2), 1.1, 2 * radius):
            for ring in range(4):
                center, r = np.array([y + radius, x]), radius * (1 - 0.24 * ring)
                canvas.disc(center, r, key)
                canvas.disc(center, r - LINE, paper if ring % 2 else water[row % 3])
