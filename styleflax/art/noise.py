"""Smooth random fields, warps and light: what all families of paintings are built on.

A field is a float32 array of shape (size, size). Lengths are fractions of the picture's
side unless they end in `_px`, so that a picture looks the same at every size.
"""

import numpy as np
from jaxtyping import Float, Int
from PIL import Image
from scipy import ndimage  # type: ignore[import-untyped]
from scipy.spatial import cKDTree  # type: ignore[import-untyped]

Field = Float[np.ndarray, "h w"]
Picture = Float[np.ndarray, "h w 3"]


def grid(size: int) -> tuple[Field, Field]:
    """Returns y and x of the pixel centers, in (0, 1)."""
    axis = (np.arange(size, dtype=np.float32) + 0.5) / size
    y, x = np.meshgrid(axis, axis, indexing="ij")
    return y, x


def value_noise(
    rng: np.random.Generator, size: int, cells: tuple[float, float]
) -> Field:
    """Returns a field of bumps, about in [-1, 1]; `cells`: their number in y and x."""
    rows, columns = (int(np.ceil(c)) + 4 for c in cells)
    knots = rng.uniform(-1, 1, (rows, columns)).astype(np.float32)
    box = (1.5, 1.5, 1.5 + cells[1], 1.5 + cells[0])
    return np.asarray(
        Image.fromarray(knots).resize((size, size), Image.Resampling.BICUBIC, box=box)
    )


def fbm(
    rng: np.random.Generator,
    size: int,
    cells: float | tuple[float, float] = 3.0,
    octaves: int = 5,
    gain: float = 0.5,
) -> Field:
    """Returns fractal noise in [0, 1]: octaves of ever smaller bumps."""
    rows, columns = cells if isinstance(cells, tuple) else (cells, cells)
    total = np.zeros((size, size), np.float32)
    for octave in range(octaves):
        scale = 2.0**octave
        if max(rows, columns) * scale > size:
            break
        noise = value_noise(rng, size, (rows * scale, columns * scale))
        total += np.float32(gain**octave) * noise
    return normalize(total)


def normalize(field: Field) -> Field:
    """Returns the field stretched to [0, 1]."""
    low, high = field.min(), field.max()
    return (field - low) / max(high - low, 1e-6)


def equalize(field: Field) -> Field:
    """Returns the field with its values spread evenly over [0, 1]."""
    histogram, edges = np.histogram(field, 512)
    cdf = np.concatenate([[0], np.cumsum(histogram)]) / field.size
    return np.interp(field, edges, cdf).astype(np.float32)


def smoothstep(
    low: float | np.ndarray, high: float | np.ndarray, value: np.ndarray
) -> np.ndarray:
    """Returns 0 at `low` and before, 1 at `high` and beyond, a smooth change between.

    With `low` above `high` it falls instead of rising.
    """
    t = np.clip((value - low) / (high - low), 0, 1)
    return t * t * (3 - 2 * t)


def blur(field: np.ndarray, sigma_px: float) -> np.ndarray:
    """Returns a field or a picture blurred by a Gaussian along y and x."""
    return ndimage.gaussian_filter(
        field, (sigma_px, sigma_px, 0)[: field.ndim], mode="nearest", truncate=3.0
    )


def sample(picture: np.ndarray, y: np.ndarray, x: np.ndarray) -> np.ndarray:
    """Returns bilinear samples at y, x in [0, 1]; what lies outside is mirrored."""
    height, width = picture.shape[:2]
    at = [y * height - 0.5, x * width - 0.5]
    if picture.ndim == 2:
        return ndimage.map_coordinates(picture, at, order=1, mode="mirror")
    channels = [
        ndimage.map_coordinates(channel, at, order=1, mode="mirror")
        for channel in np.moveaxis(picture, -1, 0)
    ]
    return np.stack(channels, axis=-1)


def shift(field: Field, down_px: int, right_px: int) -> Field:
    """Returns the field moved; its edge is repeated where nothing moves in."""
    at = np.arange(len(field))
    rows, columns = (np.clip(at - move, 0, at[-1]) for move in (down_px, right_px))
    return field[rows[:, None], columns]


def slope(field: Field) -> tuple[Field, Field]:
    """Returns the derivatives in y and x, per picture side."""
    gradient_y, gradient_x = np.gradient(field)
    return gradient_y * len(field), gradient_x * len(field)


def voronoi(
    points: Float[np.ndarray, "n 2"], y: Field, x: Field
) -> tuple[Int[np.ndarray, "h w"], Field]:
    """Returns each pixel's nearest point and its distance to the cell's edge."""
    at = np.stack([y.ravel(), x.ravel()], axis=1)
    distance, index = cKDTree(points).query(at, k=2)
    apart = np.linalg.norm(points[index[:, 0]] - points[index[:, 1]], axis=1)
    edge = (distance[:, 1] ** 2 - distance[:, 0] ** 2) / np.maximum(2 * apart, 1e-6)
    return index[:, 0].reshape(y.shape), edge.reshape(y.shape).astype(np.float32)


def light(picture: Picture, height: Field, strength: float) -> Picture:
    """Returns the picture as thick paint lit from the upper left.

    `height` is in units in which 1 px of rise per pixel is a slope of 45 degrees.
    """
    gradient_y, gradient_x = np.gradient(height)
    rise = (gradient_y + gradient_x) * strength
    shade = 1 - rise / np.sqrt(1 + rise * rise) * 0.55
    gloss = np.clip(shade - 1.28, 0, 1) * 0.5
    return np.clip(picture * shade[..., None] + gloss[..., None], 0, 1)


def mix(a: np.ndarray, b: np.ndarray, share: np.ndarray | float) -> np.ndarray:
    """Returns a where share is 0 and b where it is 1; a field's share fits colors."""
    share = np.asarray(share, np.float32)
    if share.ndim:
        share = share[..., None]
    return a * (1 - share) + b * share
