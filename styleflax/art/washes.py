"""Color that flows: ink, watercolor and marbled paper."""

import itertools

import numpy as np
from jaxtyping import Float

from styleflax.art import palette as colors
from styleflax.art.brush import Canvas
from styleflax.art.noise import (
    Field,
    Picture,
    fbm,
    grid,
    light,
    sample,
    smoothstep,
    value_noise,
)


def paint_ink_wash(rng: np.random.Generator, size: int) -> Picture:
    """Mountains in mist, pines and bamboo in one black ink on paper, and a red seal."""
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


def paint_watercolor(rng: np.random.Generator, size: int) -> Picture:
    """Transparent washes with wet edges, blooms, and pigment in the paper's grain."""
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


def paint_marbling(rng: np.random.Generator, size: int) -> Picture:
    """Floating colors drawn into feathers and swirls with combs, as in ebru."""
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
