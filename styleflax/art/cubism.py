"""Overlapping facets, each shaded from one edge to the other, with dark contours."""

import numpy as np
from PIL import Image, ImageDraw

from styleflax.art import palette as colors
from styleflax.art.noise import (
    Field,
    Picture,
    fbm,
    light,
    mix,
    smoothstep,
)
from styleflax.art.scene import compose


def paint(rng: np.random.Generator, size: int) -> Picture:
    """Returns a painting of shape (size, size, 3), in [0, 1]."""
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
