"""Marks on a canvas: strokes of several bristles, dabs, and paths along a field.

A canvas is drawn twice as large as the picture and reduced at the end, which smooths
the edges. It has a fourth channel, the thickness of the paint, that light() turns into
relief.
"""

import numpy as np
from jaxtyping import Float
from PIL import Image, ImageDraw

from styleflax.art.noise import Field, Picture

SUPERSAMPLING = 2


class Canvas:
    """A surface of size x size pixels that is drawn on in fractions of its side."""

    def __init__(self, size: int, ground: Picture | Float[np.ndarray, " 3"]) -> None:
        self.size = size
        side = size * SUPERSAMPLING
        color = np.broadcast_to(np.asarray(ground, np.float32), (size, size, 3))
        base = Image.fromarray(to_u8(color)).resize((side, side))
        # RGBA stands for color and thickness: drawing replaces all four, unblended.
        base.putalpha(0)
        self.image = base
        self.pen = ImageDraw.Draw(base)
        self.side = side

    def polygon(
        self, points: Float[np.ndarray, "n 2"], color: np.ndarray, height: float = 0.0
    ) -> None:
        """Fills a polygon of (y, x) corners."""
        self.pen.polygon(self._xy(points), fill=_ink(color, height))

    def line(
        self,
        points: Float[np.ndarray, "n 2"],
        width: float,
        color: np.ndarray,
        height: float = 0.0,
    ) -> None:
        """Draws a line through (y, x) points."""
        width_px = max(1, round(width * self.side))
        ink = _ink(color, height)
        self.pen.line(self._xy(points), fill=ink, width=width_px, joint="curve")

    def disc(
        self,
        center: Float[np.ndarray, " 2"],
        radius: float,
        color: np.ndarray,
        height: float = 0.0,
    ) -> None:
        """Fills a circle round (y, x)."""
        y, x = center * self.side
        r = radius * self.side
        self.pen.ellipse((x - r, y - r, x + r, y + r), fill=_ink(color, height))

    def finish(self) -> tuple[Picture, Field]:
        """Returns the colors and the thickness of the paint, both in [0, 1]."""
        # Channel by channel: Pillow would weight the colors by the fourth.
        bands = [
            np.asarray(band.reduce(SUPERSAMPLING), np.float32) / 255
            for band in self.image.split()
        ]
        return np.stack(bands[:3], axis=-1), bands[3]

    def _xy(self, points: Float[np.ndarray, "n 2"]) -> list[float]:
        flat: list[float] = (points[:, ::-1] * self.side).ravel().tolist()
        return flat


def _ink(color: np.ndarray, height: float) -> tuple[int, int, int, int]:
    r, g, b = (int(min(max(c, 0.0), 1.0) * 255 + 0.5) for c in color)
    return r, g, b, int(min(max(height, 0.0), 1.0) * 255)


def to_u8(picture: Picture) -> np.ndarray:
    """Returns the picture in 8 bits."""
    return (np.clip(picture, 0, 1) * 255 + 0.5).astype(np.uint8)


def scatter(rng: np.random.Generator, spacing: float) -> Float[np.ndarray, "n 2"]:
    """Returns points about `spacing` apart over the unit square, in random order."""
    count = int(np.ceil(1 / spacing)) + 2
    y, x = np.meshgrid(np.arange(count), np.arange(count), indexing="ij")
    knots = np.stack([y.ravel(), x.ravel()], axis=1) - 0.5
    points = (knots + rng.uniform(-0.5, 0.5, knots.shape)) * spacing
    return rng.permutation(points)


def look_up(field: np.ndarray, points: Float[np.ndarray, "... 2"]) -> np.ndarray:
    """Returns the nearest pixels of a field or a picture at (y, x) in [0, 1]."""
    at = np.clip((points * len(field)).astype(int), 0, len(field) - 1)
    return field[at[..., 0], at[..., 1]]


def trace(
    angle: Field, starts: Float[np.ndarray, "n 2"], length: float, steps: int = 6
) -> Float[np.ndarray, "n steps 2"]:
    """Returns paths that follow the directions of a field, centered on their starts."""
    halves = []
    for sign in (-1.0, 1.0):
        at = starts
        half = []
        for _ in range(steps // 2):
            turn = look_up(angle, at)
            move = np.stack([np.sin(turn), np.cos(turn)], axis=1)
            at = at + sign * length / steps * move
            half.append(at)
        halves.append(half)
    return np.stack([*halves[0][::-1], starts, *halves[1]], axis=1)


def draw_strokes(
    canvas: Canvas,
    paths: Float[np.ndarray, "n steps 2"],
    widths: Float[np.ndarray, " n"],
    colors: Float[np.ndarray, "n bristles 3"],
    heights: Float[np.ndarray, "n bristles"],
) -> None:
    """Draws brush strokes: a line of its own color and thickness per bristle."""
    count = colors.shape[1]
    run = paths[:, -1] - paths[:, 0]
    long = np.maximum(np.hypot(run[:, 0], run[:, 1]), 1e-6)
    across = np.stack([-run[:, 1], run[:, 0]], axis=1) * (widths / long)[:, None]
    shift = (np.arange(count) + 0.5) / count - 0.5
    lines = paths[:, None] + across[:, None, None] * shift[:, None, None]
    lines = (lines[..., ::-1] * canvas.side).reshape(*lines.shape[:2], -1).tolist()
    inks = np.concatenate([colors, heights[..., None]], axis=-1)
    inks = (np.clip(inks, 0, 1) * 255 + 0.5).astype(int).tolist()
    widths_px = np.maximum(np.round(1.5 * widths / count * canvas.side), 1).astype(int)
    for bristles, ink, width_px in zip(lines, inks, widths_px.tolist(), strict=True):
        for k in range(count):
            # The outer bristles lift earlier, which rounds the ends.
            outer = k in (0, count - 1)
            line = bristles[k][2:-2] if outer else bristles[k]
            canvas.pen.line(line, fill=tuple(ink[k]), width=width_px)
