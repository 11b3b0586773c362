"""Squares of pictures: random crops, and middles. Needs no loader of pictures."""

import numpy as np
from jaxtyping import UInt8
from PIL import Image as PillowImage
from PIL.Image import Image, Resampling, Transpose

from styleflax.images.decoding import decoding, open_image, upright_rgb


def random_crop(
    picture: bytes | UInt8[np.ndarray, "h w 3"],
    rng: np.random.Generator,
    crop_px: int,
    resize_px: int | tuple[int, int],
    flip: bool,
) -> UInt8[np.ndarray, "crop_px crop_px 3"]:
    """Returns a random square of the picture after scaling it, aspect kept.

    It draws the same square as scaling the whole picture and cropping then
    would, but only resamples the square, which takes half the time.

    Args:
        picture: An encoded picture, or its pixels.
        rng: Decides the scale, the place and the flip.
        crop_px: Side of the square in pixels, at most the scaled short side.
        resize_px: Short side of the scaled picture in pixels (smaller pictures
            are enlarged), or the range (lowest, highest) it is drawn from.
        flip: Whether half of the crops are mirrored left to right.

    Raises:
        ImageError: The picture cannot be decoded.
        ValueError: `crop_px` is above the lowest `resize_px`, or below 1.
    """
    lowest, highest = checked_range(crop_px, resize_px)
    short_px = int(rng.integers(lowest, highest + 1))
    x, y = rng.random(2)
    mirrored = flip and rng.random() < 0.5
    image = _decoded(picture, short_px)
    # The square's side in the picture's own pixels; the draft that libjpeg may
    # have made of it is smaller, but has the same aspect.
    side = min(image.size) * crop_px / short_px
    left, top = x * (image.width - side), y * (image.height - side)
    crop = image.resize(
        (crop_px, crop_px),
        Resampling.BICUBIC,
        box=(left, top, min(left + side, image.width), min(top + side, image.height)),
    )
    return np.asarray(crop.transpose(Transpose.FLIP_LEFT_RIGHT) if mirrored else crop)


def center_crop(
    picture: bytes | UInt8[np.ndarray, "h w 3"], crop_px: int
) -> UInt8[np.ndarray, "crop_px crop_px 3"]:
    """Returns the middle square of a picture, scaled to `crop_px`.

    Args:
        picture: See `random_crop`.
        crop_px: Side of the square in pixels.

    Raises:
        ImageError: The picture cannot be decoded.
    """
    image = _decoded(picture, crop_px)
    side = min(image.size)
    left, top = (image.width - side) / 2, (image.height - side) / 2
    crop = image.resize(
        (crop_px, crop_px),
        Resampling.BICUBIC,
        box=(left, top, left + side, top + side),
    )
    return np.asarray(crop)


def checked_range(crop_px: int, resize_px: int | tuple[int, int]) -> tuple[int, int]:
    """Returns the lowest and the highest short side.

    Raises:
        ValueError: `crop_px` is above the lowest `resize_px`, or below 1.
    """
    lowest, highest = (
        (resize_px, resize_px) if isinstance(resize_px, int) else resize_px
    )
    if not 1 <= crop_px <= lowest <= highest:
        raise ValueError(
            "crop_px must be at least 1 and at most the lowest resize_px, and that at "
            f"most the highest, got crop_px {crop_px} and resize_px {resize_px}"
        )
    return lowest, highest


def _decoded(picture: bytes | np.ndarray, short_px: int) -> Image:
    if isinstance(picture, np.ndarray):
        return PillowImage.fromarray(picture)
    with open_image(picture) as image:
        # A JPEG decodes at an eighth, a quarter or half of its size in less
        # time; both sides of a draft stay at least this long.
        image.draft("RGB", (short_px, short_px))
        with decoding(image, "the data"):
            return upright_rgb(image)
