"""Black lines along the form, crossed in the shadows, over one or two flat inks."""

import numpy as np

from styleflax.art import palette as colors
from styleflax.art.noise import (
    Field,
    Picture,
    blur,
    equalize,
    fbm,
    grid,
    mix,
    normalize,
    shift,
    slope,
    smoothstep,
    value_noise,
)
from styleflax.art.scene import compose


def paint(rng: np.random.Generator, size: int) -> Picture:
    """Returns a painting of shape (size, size, 3), in [0, 1]."""
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
