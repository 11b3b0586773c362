"""Painted paper cut with scissors: leaves, fronds and stars on flat panels."""

import numpy as np

from styleflax.art import palette as colors
from styleflax.art.brush import Canvas
from styleflax.art.noise import Picture, blur, fbm, light, shift


def paint(rng: np.random.Generator, size: int) -> Picture:
    """Returns a painting of shape (size, size, 3), in [0, 1]."""
    palette = colors.vivid(colors.pick(rng), 1.35)
    canvas = Canvas(size, palette[-1])
    level = 0.2
    for panel in _panels(rng):
        choice = palette[rng.permutation(len(palette))]
        _panel(canvas, panel, choice[0], level)
        shape = (_frond, _leaf, _star, _bean)[rng.integers(4)]
        low, high = panel[0], panel[1]
        extent = high - low
        outline = shape(rng)
        for k in range(rng.integers(1, 3)):
            turned = _turn(outline * 0.5 * (0.95 - 0.45 * k), rng.uniform(0, 6.3))
            at = low + extent * (0.5 + rng.uniform(-0.08, 0.08, 2) * (1 + 2 * k))
            canvas.polygon(at + turned * extent, choice[1 + k], level + 0.3 * (k + 1))
    for _ in range(rng.integers(3, 8)):
        outline = (_frond, _bean, _leaf)[rng.integers(3)](rng)
        reach = rng.uniform(0.09, 0.2)
        at = rng.uniform(0.05, 0.95, 2)
        color = palette[rng.integers(len(palette))]
        canvas.polygon(at + _turn(outline, rng.uniform(0, 6.3)) * reach, color, 0.95)
    picture, height = canvas.finish()
    brushed = fbm(rng, size, (18.0, 70.0), 3) + 0.6 * fbm(rng, size, (60.0, 14.0), 3)
    picture = picture * (0.86 + 0.16 * brushed)[..., None]
    # Each sheet casts a soft shadow to the lower right on those below.
    offset = max(1, size // 110)
    above = shift(height, offset, offset)
    shadow = blur(np.clip(above - height - 0.05, 0, 1), size / 180)
    picture = picture * (1 - 0.9 * np.clip(shadow, 0, 0.5))[..., None]
    return light(picture, brushed * size / 384, 0.3)


def _panels(rng: np.random.Generator) -> np.ndarray:
    """Returns rectangles (low, high) that fill the picture, cut again and again."""
    panels = [np.array([[0.0, 0.0], [1.0, 1.0]])]
    for _ in range(rng.integers(2, 9)):
        k = int(np.argmax([np.prod(p[1] - p[0]) for p in panels]))
        panel = panels.pop(k)
        axis = int(np.argmax((panel[1] - panel[0]) * rng.uniform(0.7, 1.3, 2)))
        at = panel[0, axis] + (panel[1] - panel[0])[axis] * rng.uniform(0.36, 0.64)
        first, second = panel.copy(), panel.copy()
        first[1, axis] = second[0, axis] = at
        panels += [first, second]
    return np.stack(panels)


def _panel(canvas: Canvas, panel: np.ndarray, color: np.ndarray, level: float) -> None:
    (top, left), (bottom, right) = panel
    corners = [[top, left], [top, right], [bottom, right], [bottom, left]]
    canvas.polygon(np.array(corners), color, level)


def _turn(points: np.ndarray, angle: float) -> np.ndarray:
    """Returns (y, x) points turned by an angle in radians."""
    sine, cosine = np.sin(angle), np.cos(angle)
    return points @ np.array([[cosine, sine], [-sine, cosine]])


def _round_trip(radius: np.ndarray) -> np.ndarray:
    turn = np.linspace(0, 2 * np.pi, len(radius), endpoint=False)
    return np.stack([np.sin(turn), np.cos(turn)], axis=1) * radius[:, None]


def _star(rng: np.random.Generator) -> np.ndarray:
    """Returns a star or a flower with soft points, within the unit circle."""
    turn = np.linspace(0, 2 * np.pi, 180, endpoint=False)
    points = rng.integers(5, 10)
    wave = np.abs(np.cos(turn * points / 2)) ** rng.uniform(0.6, 2.0)
    return _round_trip(0.38 + 0.55 * wave + 0.06 * np.sin(2 * turn + rng.uniform(0, 6)))


def _bean(rng: np.random.Generator) -> np.ndarray:
    """Returns a soft blob."""
    turn = np.linspace(0, 2 * np.pi, 120, endpoint=False)
    phases = rng.uniform(0, 6.3, 3)
    waves = sum(np.sin((k + 2) * turn + phases[k]) * 0.22 / (k + 1) for k in range(3))
    return _round_trip(0.6 + waves)


def _leaf(rng: np.random.Generator) -> np.ndarray:
    """Returns an oak-like leaf: round lobes along a spine."""
    t = np.linspace(0, 1, 90)
    lobes = rng.integers(3, 7)
    body = np.sin(np.pi * t**0.8) ** 0.7
    wide = body * (0.2 + 0.4 * np.abs(np.sin(np.pi * lobes * t)) ** 0.7)
    right = np.stack([2 * t - 1, wide], axis=1)
    return np.concatenate([right, (right * [1, -1])[::-1]])


def _frond(rng: np.random.Generator) -> np.ndarray:
    """Returns a frond of seaweed: long round fingers on both sides of a curved stem."""
    t = np.linspace(0, 1, 150)
    fingers = rng.integers(4, 8)
    comb = smooth_square((t * fingers) % 1)
    wide = 0.07 + 0.55 * comb * np.sin(np.pi * np.clip(t, 0.08, 0.96)) ** 0.5
    bow = 0.25 * rng.uniform(-1, 1) * np.sin(np.pi * t)
    # Fingers point upwards: their tips lie ahead of their roots.
    right = np.stack([2 * t - 1 - 0.4 * wide, bow + wide], axis=1)
    left = np.stack([2 * t - 1 - 0.4 * wide, bow - wide], axis=1)
    return np.concatenate([right, left[::-1]])


def smooth_square(phase: np.ndarray) -> np.ndarray:
    """Returns a wave of period 1 that is 1 in its middle and 0 at its ends."""
    return np.clip(1.6 * np.sin(np.pi * phase) - 0.6, 0, 1) ** 0.5
