"""Palettes: small sets of colors that go together, and ways to take colors from them.

The sets were put together for this project: each has a dark, a light, two or three
middle tones of related hue and one accent against them.
"""

import numpy as np
from jaxtyping import Float
from skimage.color import hsv2rgb, rgb2hsv

LUMA = np.array([0.299, 0.587, 0.114], np.float32)  # ITU-R BT.601 weights

_SETS = (
    "14213d 1f4e79 3d8fb5 9cc9d9 f2e3b6 f4b942 d9822b",
    "2b1d0e 6b3e1e a8672c d9a441 f0d9a0 47704c 8c2f1b",
    "0b2b26 17594a 2f8f6b 8cc084 e8e3b9 f28a3c b5382a",
    "241a36 4b2a6b 8a3f8f d9668f f5a97f fbe3bd 2f7f8c",
    "101820 2c4a52 537072 8e9b97 f4ebdb d04a35 e0a458",
    "1b1b2f 2e3a8c 4f74d9 f0c929 f6efdc d83a34 2f8f4e",
    "3a0f1d 7a1f2f b83a3a e0764a f2b56b f8e6c8 2a5f5f",
    "1d2a1f 43552d 7a8b3c b9b85a ece2b0 c46a3a 7b2d26",
    "0d1b2a 3a3f73 7f5f9f c58fb5 f3cfc6 f7eeda e06b5a",
    "2a2320 5c4a3d 8f7a62 bfae8e e9dfc6 6a7f86 a5492f",
    "03314b 046a7a 18a3a1 8fd6c1 fff1d0 ff9a5a e3434a",
    "3b2312 80451a c97b2a f2b134 fbe6a2 3f6b8a 1f3448",
    "181425 3b3561 6b6ba8 a9b8d9 f0eff4 e8a33d b23a48",
    "12263a 2a5d67 66a182 c8d5a1 fbf3d4 e9785e 93324a",
    "3d1f2b 80364a c45f6a eaa08d f7dcc4 6f8f72 2e4a46",
    "0f1a12 244a2c 4b8a3f a0c34e f3eb9c f5c22e d5521f",
    "20242c 45506b 8492a6 d3cdbf f5f0e3 c9a227 7d2e2e",
    "07203f 0f4c8a 2b86c5 7cc4e8 f7f4e9 f2c14e d64933",
    "2f1b3d 5f2a5a a63d6b e86a5a f7a654 fce2a0 2d4f7c",
    "1a2e35 3f5e5a 89a084 d9cfa3 f7f0dd d98e73 8a4b5c",
    "2a0a0a 66140f b0261a e8562a f7a032 fae3a0 1d3b4d",
    "16302b 345e55 6d9a8c b8d4c4 f9f2e4 e3a6a1 a94f5f",
)


def parse(colors: str) -> Float[np.ndarray, "n 3"]:
    """Returns RGB in [0, 1] from hexadecimal colors separated by spaces."""
    rows = [list(bytes.fromhex(color)) for color in colors.split()]
    return np.asarray(rows, np.float32) / 255


def luma(color: Float[np.ndarray, "... 3"]) -> Float[np.ndarray, "..."]:
    """Returns the brightness of colors, in [0, 1]."""
    return color @ LUMA


def pick(rng: np.random.Generator) -> Float[np.ndarray, "n 3"]:
    """Returns one palette from dark to light, its hues and strengths shifted a little.

    The shift is the same for all colors of the palette, so they stay in harmony.
    """
    hsv = rgb2hsv(parse(_SETS[rng.integers(len(_SETS))])[None])[0]
    hsv[:, 0] = (hsv[:, 0] + rng.normal(0, 0.03)) % 1
    hsv[:, 1] = np.clip(hsv[:, 1] * rng.uniform(0.85, 1.2), 0, 1)
    hsv[:, 2] = np.clip(hsv[:, 2] * rng.uniform(0.92, 1.06), 0, 1)
    palette = hsv2rgb(hsv[None])[0].astype(np.float32)
    return palette[np.argsort(luma(palette))]


def ramp(
    palette: Float[np.ndarray, "n 3"], t: Float[np.ndarray, "..."]
) -> Float[np.ndarray, "... 3"]:
    """Returns colors along the palette: t = 0 is its first color, 1 its last."""
    position = np.clip(t, 0, 1) * (len(palette) - 1)
    low = np.minimum(position.astype(np.int32), len(palette) - 2)
    fraction = (position - low)[..., None].astype(np.float32)
    return palette[low] * (1 - fraction) + palette[low + 1] * fraction


def vivid(
    color: Float[np.ndarray, "... 3"], amount: float
) -> Float[np.ndarray, "... 3"]:
    """Returns colors moved away from gray (amount > 1) or toward it (< 1)."""
    gray = luma(color)[..., None]
    return np.clip(gray + (color - gray) * amount, 0, 1)


def jitter(
    rng: np.random.Generator, color: Float[np.ndarray, "n 3"], amount: float
) -> Float[np.ndarray, "n 3"]:
    """Returns colors that differ a little from the given, in brightness and in hue."""
    light = rng.normal(0, amount, (len(color), 1))
    tint = rng.normal(0, amount * 0.6, color.shape)
    return np.clip(color + light + tint, 0, 1).astype(np.float32)


def accent(palette: Float[np.ndarray, "n 3"]) -> Float[np.ndarray, " 3"]:
    """Returns the most saturated color of a palette."""
    return palette[np.argmax(palette.max(axis=1) - palette.min(axis=1))]
