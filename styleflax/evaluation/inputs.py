"""The pictures that an evaluation is made on, and which of them meet.

They show what a network makes of flat areas (see `metrics.blobs`), which few
photographs of a folder have.
"""

import itertools
import logging
import math
from collections import Counter
from collections.abc import Callable, Hashable, Iterator, Sequence
from pathlib import Path
from typing import Generic, NamedTuple, TypeVar

import numpy as np
from jaxtyping import Float, UInt8

from styleflax.art import FAMILIES, paint
from styleflax.art.noise import equalize, fbm, grid, mix, smoothstep
from styleflax.art.palette import pick, ramp
from styleflax.files import file_sha256
from styleflax.images.files import load_image_u8, resize_short_side, to_float
from styleflax.images.listing import describe_excluded, list_folder
from styleflax.images.read import other_frames

T = TypeVar("T")


class BoundedCache(Generic[T]):
    """A cache of the first few results; others are computed each time.

    Styles are used in turn, so that a cache of the most recent ones would never hit.

    Args:
        most: Number of results to cache.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._cached: dict[Hashable, T] = {}

    def get(self, key: Hashable, make: Callable[[], T]) -> T:
        """Returns the result of a key, computed by `make` if it is not cached."""
        if key in self._cached:
            return self._cached[key]
        result = make()
        if len(self._cached) < self._most:
            self._cached[key] = result
        return result


logger = logging.getLogger(__name__)


class Input(NamedTuple):
    """A content or a style, the same for every system.

    Attributes:
        name: Name of the file without suffix; if files share it, the name of the folder
            and a number are added.
        digest: SHA-256 of the file.
        square_u8: Center square of the image.
    """

    name: str
    digest: str
    square_u8: UInt8[np.ndarray, "h w 3"]

    @property
    def picture(self) -> Float[np.ndarray, "h w 3"]:
        """The square as RGB in [0, 1], computed on each access to save memory."""
        return to_float(self.square_u8)


class Pair(NamedTuple):
    """A content and a style to be scored together."""

    content: Input
    style: Input


def load_inputs(folder: Path, size_px: int) -> list[Input]:
    """Returns the center squares of all images in a folder and its subfolders.

    Args:
        folder: Folder of images.
        size_px: Side of the squares; the short side is resized to it first.

    Raises:
        FileNotFoundError: If there is no such folder.
        ValueError: If it has no image, or a file is damaged.
    """
    paths, left_out = list_folder(folder)
    if not paths:
        raise ValueError(f"{folder} has no image")
    if left_out:
        logger.warning("%s: %s", folder, describe_excluded(left_out))
    for path in paths:
        if remark := other_frames(path):
            logger.warning("%s: %s", path, remark)
    names = distinct_names([(path.stem, path.parent.name) for path in paths])
    return [
        Input(name, file_sha256(path), load_square_u8(path, size_px))
        for name, path in zip(names, paths, strict=True)
    ]


def load_square_u8(path: Path, size_px: int) -> UInt8[np.ndarray, "h w 3"]:
    """Returns the center square of an image, resized to a side of `size_px`."""
    image = np.asarray(resize_short_side(load_image_u8(path), size_px))
    top, left = ((side - size_px) // 2 for side in image.shape[:2])
    return image[top : top + size_px, left : left + size_px].copy()


def distinct_names(names: Sequence[tuple[str, str]]) -> list[str]:
    """Returns distinct names for (stem, folder): the stem if it is unique."""
    count = Counter(stem for stem, _ in names)
    distinct: list[str] = []
    for stem, folder in names:
        name = stem if count[stem] == 1 else f"{folder}_{stem}"
        numbered = (f"{name}-{i}" for i in itertools.count(2))
        while name in distinct:
            name = next(numbered)
        distinct.append(name)
    return distinct


def choose_pairs(
    num_contents: int, num_styles: int, num_pairs: int | None = None
) -> list[tuple[int, int]]:
    """Returns positions (content, style) of the pairs to score, content by content.

    Args:
        num_contents: Number of contents.
        num_styles: Number of styles.
        num_pairs: Number of pairs to choose; all if None. The choice is deterministic,
            and the contents are used equally often up to a difference of one, as are
            the styles.

    Raises:
        ValueError: If `num_pairs` is below 1.
    """
    total = num_contents * num_styles
    count = total if num_pairs is None else min(num_pairs, total)
    if count < 1:
        raise ValueError(f"num_pairs must be at least 1, got {num_pairs}")
    # Contents and styles are cycled through in parallel. After their least common
    # multiple the pairs would repeat, so the styles are shifted by one.
    circle = math.lcm(num_contents, num_styles)
    chosen = ((t % num_contents, (t + t // circle) % num_styles) for t in range(count))
    return sorted(chosen)


NUM_PAIRS = 96
SKIES = ("white", "gray", "graded")
SHARES = (0.4, 0.5, 0.6, 0.7)
"""Shares of the sky in the image's height."""
SIZES_PX = (256, 384)
STYLE_SIZE_PX = 384

_TOPS = ((0.5, 0.65, 0.88), (0.6, 0.73, 0.9), (0.75, 0.6, 0.5))
_HORIZON = (0.95, 0.93, 0.9)


class DrawnPair(NamedTuple):
    """A synthetic landscape with a sky, and a painting.

    Attributes:
        name: Description: sky, share of the height, size and painting.
        content: Square RGB image in [0, 1] whose side is one of `SIZES_PX`.
        style: Square RGB image in [0, 1] with a side of `STYLE_SIZE_PX`.
    """

    name: str
    content: Float[np.ndarray, "h w 3"]
    style: Float[np.ndarray, "hs ws 3"]


def draw_sky(
    sky: str, share: float, seed: int, size_px: int
) -> Float[np.ndarray, "size size 3"]:
    """Returns a flat or graded sky above a textured ground, RGB in [0, 1].

    Args:
        sky: One of `SKIES`.
        share: Share of the sky in the height, from 0 to 1.
        seed: Seed of colors, horizon and texture.
        size_px: Side of the square.
    """
    rng = np.random.default_rng([seed, SKIES.index(sky)])
    y, _ = grid(size_px)
    flat = np.ones((size_px, size_px, 3))
    if sky == "white":
        above = flat * rng.uniform(0.96, 1.0)
    elif sky == "gray":
        above = flat * rng.uniform(0.5, 0.85)
    else:
        top = flat * _TOPS[rng.integers(len(_TOPS))]
        above = mix(top, np.array(_HORIZON), np.minimum(y / share, 1.0))
    patches = 0.5 * equalize(fbm(rng, size_px, 6.0, 5))
    patches = patches + 0.5 * equalize(fbm(rng, size_px, 24.0, 4))
    ground = ramp(0.85 * pick(rng), patches)
    horizon = share + 0.12 * (fbm(rng, size_px, (1.0, 3.0), 4)[0] - 0.5)
    picture = mix(above, ground, smoothstep(-0.003, 0.003, y - horizon))
    return np.clip(picture, 0.0, 1.0).astype(np.float32)


def draw_pairs(num_pairs: int = NUM_PAIRS) -> Iterator[DrawnPair]:
    """Yields the first pairs of a fixed, deterministic set.

    The kind of sky varies fastest, then its share, then size and family of painting.
    """
    for i in range(num_pairs):
        sky, share = SKIES[i % 3], SHARES[i // 3 % 4]
        size_px, family = SIZES_PX[i // 12 % 2], FAMILIES[i % len(FAMILIES)]
        name = f"{sky} {share:.1f} {size_px} px, {family} {i}"
        style = to_float(paint(family, i, STYLE_SIZE_PX))
        yield DrawnPair(name, draw_sky(sky, share, i, size_px), style)
