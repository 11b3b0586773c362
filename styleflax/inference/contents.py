"""Reading and resizing photos for a stylizer, and the result it returns."""

import dataclasses
import logging
import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple, TypeVar

import jax
import numpy as np
from jaxtyping import Float, Shaped, UInt8
from PIL import Image as PillowImage

from styleflax.images.decoding import (
    MIN_SIDE_PX,
    Encoded,
    ImageError,
    is_encoded,
    path_or_bytes,
)
from styleflax.images.files import (
    as_float_image,
    resize_short_side,
    row_bands,
    save_image,
    to_float,
    to_u8,
)
from styleflax.images.read import Picture as PictureFile
from styleflax.images.read import read_picture

logger = logging.getLogger(__name__)

Picture = Encoded | PillowImage.Image | np.ndarray | jax.Array | PictureFile
"""A path, bytes, an open binary file, a Pillow image, what `images.read.read_picture`
returned, or an array (h, w, 3 or 4): uint8, or float in [0, 1]. Transparency goes on
white, but for what `read_picture` returned, whose colors are taken as they are."""


STYLE_SUFFIX = ".style"
"""Paths that end so are style files wherever a painting may stand."""


def is_style_file(source: object) -> bool:
    """Whether this is a path that ends in `STYLE_SUFFIX`."""
    return (
        isinstance(source, str | os.PathLike)
        and Path(source).suffix.lower() == STYLE_SUFFIX
    )


class Content(NamedTuple):
    """One picture to be stylized; uint8, if it is, or RGB in [0, 1].

    Attributes:
        image: At the size at which it is stylized.
        target: At the size that the result has.
        alpha: Its opacity at either of these sizes, if it was asked for; None if it
            is opaque.
    """

    image: Shaped[np.ndarray, "h w 3"]
    target: Shaped[np.ndarray, "th tw 3"]
    alpha: Shaped[np.ndarray, "ah aw"] | None

    @property
    def is_resized(self) -> bool:
        """Whether the result has another size than it is stylized at."""
        return self.image.shape != self.target.shape


@dataclasses.dataclass(frozen=True)
class StylePixels:
    """A painting at the size at which it is seen.

    Attributes:
        image: RGB in [0, 1].
        mask: How much every pixel counts, 0 to 1; None for all alike.
    """

    image: Float[np.ndarray, "h w 3"]
    mask: Float[np.ndarray, "h w"] | None = None


def load_contents(
    content: Picture | Sequence[Picture],
    size: int | None,
    *,
    restore_size: bool,
    with_alpha: bool,
) -> tuple[list[Content], bool]:
    """Contents as a stylizer needs them.

    Args:
        content: A picture, or several of one size: a list or tuple, or an array
            (b, h, w, 3 or 4).
        size: Short side to which they are resized, or None.
        restore_size: Whether results get the size that they have here.
        with_alpha: Whether the opacity is needed.

    Returns:
        The contents, and whether they were given as a batch.

    Raises:
        ValueError: If a picture cannot be used, the batch is empty, or its pictures
            are of several sizes.
        FileNotFoundError: If a file is missing.
    """
    if isinstance(content, jax.Array):
        content = np.asarray(content)
    is_batch = _is_batch(content)
    pictures: Iterable[Picture] = content if is_batch else [content]  # type: ignore[assignment, list-item]
    contents = []
    for given in pictures:
        # Once, as the opacity is read again and a pipe cannot be.
        picture = path_or_bytes(given) if is_encoded(given) else given
        original = load_pixels(picture)
        image = original if size is None else resize(original, size)
        alpha = _alpha(picture) if with_alpha else None
        contents.append(Content(image, original if restore_size else image, alpha))
    if not contents:
        raise ValueError("content must have at least one image, got none")
    sizes = sorted({one.target.shape[1::-1] for one in contents})
    if len(sizes) > 1:
        raise ValueError(f"images of a batch must have one size, got {sizes} px")
    return contents, is_batch


def load_pixels(picture: Picture) -> Shaped[np.ndarray, "h w 3"]:
    """A picture as uint8 if it is, else as float32 RGB in [0, 1].

    Floats take four times the memory, which is too much for a large image.

    Raises:
        ValueError: If it cannot be used.
        FileNotFoundError: If a file is missing.
    """
    if isinstance(picture, PillowImage.Image) or is_encoded(picture):
        read = read_picture(picture)
        for note in read.notes:
            logger.warning("%s", note)
        pixels = read.on_white()
    elif isinstance(picture, PictureFile):
        pixels = picture.rgb_u8
    elif not hasattr(picture, "__array__") and not isinstance(picture, list | tuple):
        path_or_bytes(picture)  # which refuses it
    else:
        # A copy on the host, since Pillow and NumPy do the rest.
        pixels = np.asarray(picture)
        if pixels.dtype != np.uint8 or pixels.ndim != 3 or pixels.shape[2] != 3:
            return as_float_image(pixels)
    height, width = pixels.shape[:2]
    if min(height, width) < MIN_SIDE_PX:
        raise ImageError(
            f"the image must have at least {MIN_SIDE_PX}x{MIN_SIDE_PX} pixels, got "
            f"{width}x{height}"
        )
    return pixels


def ensure_float(pixels: Shaped[np.ndarray, "*shape"]) -> Float[np.ndarray, "*shape"]:
    """Pixels that are of 8 bits, or not, as RGB in [0, 1]."""
    return to_float(pixels) if pixels.dtype == np.uint8 else pixels


def resize(pixels: Shaped[np.ndarray, "h w 3"], size: int) -> np.ndarray:
    """A picture as uint8, resized to that short side."""
    return np.asarray(resize_short_side(to_u8(pixels), size))


def _is_batch(content: object) -> bool:
    if isinstance(content, np.ndarray):
        return content.ndim == 4
    return isinstance(content, list | tuple) and not isinstance(content, PictureFile)


def _alpha(picture: Picture) -> np.ndarray | None:
    if isinstance(picture, PillowImage.Image) or is_encoded(picture):
        picture = read_picture(picture)
    if isinstance(picture, PictureFile):
        return picture.alpha_u8
    array = np.asarray(picture)
    if array.ndim != 3 or array.shape[2] != 4:
        return None
    alpha = array[..., 3]
    return alpha if alpha.dtype == np.uint8 else alpha.astype(np.float32)


class Stylized:
    """A stylized picture, or a batch of them.

    Attributes:
        array: Float32 RGB in [0, 1], shape (h, w, 3) or (b, h, w, 3).
    """

    def __init__(self, array: Float[np.ndarray, "... h w 3"]) -> None:
        self.array = array

    def to_pillow(self) -> PillowImage.Image:
        """The picture as Pillow has it.

        Raises:
            ValueError: If this is a batch.
        """
        return PillowImage.fromarray(rounded(self._single()))

    def save(self, path: str | os.PathLike[str]) -> None:
        """Writes the picture; the suffix names the format.

        Raises:
            ValueError: If this is a batch, or the suffix is unknown.
            OSError: If the file cannot be written.
        """
        save_image(rounded(self._single()), path)

    def _single(self) -> np.ndarray:
        if self.array.ndim != 3:
            raise ValueError(
                f"save requires one image, got a batch of {len(self.array)}; use one "
                "of .array"
            )
        return self.array


def rounded(image: Float[np.ndarray, "h w 3"]) -> UInt8[np.ndarray, "h w 3"]:
    """A picture in 8 bits; by bands, as `to_u8` takes five times a picture's memory."""
    made_u8 = np.empty(image.shape, np.uint8)
    for first, last in row_bands(*image.shape[:2]):
        made_u8[first:last] = to_u8(image[first:last])
    return made_u8


T = TypeVar("T")
Named = tuple[T, np.ndarray]
"""An image with a value that identifies it."""
WAITING = 4
"""Times the size of a batch: as many pictures wait for others of their size."""


def group_by_shape(pictures: Iterable[Named[T]], size: int) -> Iterator[list[Named[T]]]:
    """Yields batches of pictures of one shape, `size` of them where there are.

    Every picture comes once. With a size of 1 each comes at once and in order;
    otherwise those whose size is rare come late and in smaller batches.
    """
    waiting: dict[tuple[int, ...], list[Named[T]]] = {}
    for named in pictures:
        group = waiting.setdefault(named[1].shape, [])
        group.append(named)
        if len(group) == size:
            yield waiting.pop(named[1].shape)
        elif sum(map(len, waiting.values())) > WAITING * size:
            yield waiting.pop(next(iter(waiting)))  # the one begun first
    yield from waiting.values()
