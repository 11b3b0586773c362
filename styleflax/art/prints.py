"""Flat color with sharp edges: paper cutouts, woodcuts, printed waves."""

from typing import NamedTuple

import numpy as np

from styleflax.art import palette as colors
from styleflax.art.brush import Canvas
from styleflax.art.noise import (
    Field,
    Picture,
    blur,
    equalize,
    fbm,
    grid,
    light,
    mix,
    normalize,
    shift,
    slope,
    smoothstep,
    value_noise,
)
from styleflax.art.scene import compose


def paint_cutouts(rng: np.random.Generator, size: int) -> Picture:
    """Painted paper cut with scissors: leaves, fronds and stars on flat panels."""
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


def paint_woodcut(rng: np.random.Generator, size: int) -> Picture:
    """Black lines along the form, crossed in the shadows, over one or two flat inks."""
    palette = colors.pick(rng)
    motifs = ("landscape", "landscape", "wood", "wood", "swirls", "still_life", "head")
    scene = compose(rng, size, palette, motifs)
    tone = equalize(blur(scene.tone, size / 250)) * 0.6 + normalize(scene.tone) * 0.4
    paper = palette[-1] * 0.35 + np.array([0.62, 0.6, 0.53], np.float32)
    grain = fbm(rng, size, (8.0, 90.0) if rng.random() < 0.5 else (90.0, 8.0), 2)
    picture = np.broadcast_to(paper, (size, size, 3)) * (0.95 + 0.08 * grain)[..., None]
    inks = palette[1 + rng.permutation(len(palette) - 2)[: rng.integers(1, 3)]]
    down, right = rng.integers(-2, 3, 2) * max(1, size // 384)
    for k, ink in enumerate(inks):
        limit = rng.uniform(0.45, 0.75) if k == 0 else rng.uniform(0.2, 0.35)
        flat = smoothstep(limit + 0.02, limit - 0.02, shift(tone, down, right))
        worn = 0.82 + 0.18 * smoothstep(0.2, 0.45, grain)
        picture = mix(picture, colors.vivid(ink, 1.25), flat * worn)
    key = 0.65 * palette[0] * [0.9, 0.9, 1.0]
    cut = _hatching(rng, size, tone, scene.angle)
    cut = np.maximum(cut, _outline(tone, size))
    cut = cut * (1 - 0.5 * smoothstep(0.3, 0.12, grain))
    return mix(picture, key, cut)


def _hatching(rng: np.random.Generator, size: int, tone: Field, angle: Field) -> Field:
    """Returns the ink of lines that swell where the tone is dark; three directions."""
    y, x = grid(size)
    pitch = rng.uniform(58, 82)
    main = float(np.median(angle)) + rng.uniform(-0.5, 0.5)
    bend = 0.05 * blur(tone, size / 40) + 0.012 * value_noise(rng, size, (4.0, 4.0))
    ink = np.zeros_like(tone)
    for k, limit in enumerate((0.78, 0.5, 0.26)):
        turn = main + (0.0, 1.1, -0.9)[k]
        across = y * np.cos(turn) - x * np.sin(turn)
        run = y * np.sin(turn) + x * np.cos(turn)
        wobble = 0.0012 * np.sin(run * 60 + 9 * across)
        phase = (across + bend * (1.6 - 0.5 * k) + wobble) * pitch
        ridge = np.abs(phase % 1 - 0.5) * 2
        swell = np.clip((limit - tone) / limit, 0, 1) ** 0.8 * (0.95 - 0.2 * k)
        # A gouge ends abruptly: thin lines are dropped, not faded.
        swell = np.where(swell < 0.07, -0.2, swell)
        soft = 2.2 * pitch / size
        ink = np.maximum(ink, smoothstep(1 - swell - soft, 1 - swell + soft, 1 - ridge))
    return ink


def _outline(tone: Field, size: int) -> Field:
    """Returns the ink of the key line, where the tone jumps."""
    gradient_y, gradient_x = slope(blur(tone, size / 220))
    return smoothstep(9.0, 16.0, np.hypot(gradient_y, gradient_x))


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


def paint_ukiyo_e(rng: np.random.Generator, size: int) -> Picture:
    """Printed waves: flat bands with outlines, stripes and foam under a shaded sky."""
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
