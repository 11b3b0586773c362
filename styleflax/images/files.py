"""Pictures as arrays: loaded, converted between 8 bits and floats, resized, written.

This module imports neither TFDS nor Grain, so images can be stylized without the
packages for training.
"""

import io
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float, UInt8
from PIL import Image as PillowImage
from PIL.Image import Image, Resampling

from styleflax.files import write_file
from styleflax.images.decoding import (
    MAX_MEGAPIXELS,
    MIN_SIDE_PX,
    Encoded,
    ImageError,
    is_encoded,
    one_line,
)
from styleflax.images.read import Picture, load_rgb, read_picture
from styleflax.memory import explain_memory_errors

BAND_PX = 2**20
"""Pixels processed at a time."""


def load_image_u8(
    path: Encoded,
    *,
    max_megapixels: float = MAX_MEGAPIXELS,
    min_side_px: int = MIN_SIDE_PX,
) -> UInt8[np.ndarray, "h w 3"]:
    """Returns the image in a file as RGB, upright, composited on white.

    Args:
        path: A file of any format that `read_picture` reads, its bytes, or the open
            file.
        max_megapixels: Largest accepted image in megapixels.
        min_side_px: Smallest accepted side in px.

    Raises:
        FileNotFoundError: If there is no such file.
        ImageError: If it is not an image, is damaged, too small or too large.
    """
    return np.asarray(
        load_rgb(path, max_megapixels=max_megapixels, min_side_px=min_side_px)
    )


def decode_image_u8(
    encoded: bytes,
    *,
    max_megapixels: float = MAX_MEGAPIXELS,
    min_side_px: int = MIN_SIDE_PX,
) -> UInt8[np.ndarray, "h w 3"]:
    """Returns an encoded image as RGB, upright, composited on white.

    Args:
        encoded: Bytes of an image file.
        max_megapixels: Largest accepted image in megapixels.
        min_side_px: Smallest accepted side in px.

    Raises:
        ImageError: If it is not an image, is damaged, too small or too large.
    """
    return np.asarray(
        load_rgb(encoded, max_megapixels=max_megapixels, min_side_px=min_side_px)
    )


def as_float_image(
    source: Encoded | Image | np.ndarray,
    *,
    max_megapixels: float = MAX_MEGAPIXELS,
) -> Float[np.ndarray, "h w 3"]:
    """Returns an image in any form as float32 RGB in [0, 1].

    Files and Pillow images with a color profile are converted to sRGB.

    Args:
        source: A path, bytes, an open binary file, a Pillow image, or an array of
            shape (h, w, 3), (h, w, 4) (composited on white), (h, w, 1) or (h, w):
            uint8, or float in [0, 1].
        max_megapixels: Largest accepted file in megapixels, checked before decoding.

    Raises:
        FileNotFoundError: If there is no such file.
        ImageError: If the image is not usable.
        ValueError: If an array has another shape, type or range.
    """
    if is_encoded(source):
        picture = read_picture(source, max_megapixels=max_megapixels)
        image = to_float(picture.on_white())
    elif isinstance(source, Image):
        image = to_float(read_picture(source).on_white())
    else:
        image = _float_rgb(np.asarray(source))
    height, width = image.shape[:2]
    if min(height, width) < MIN_SIDE_PX:
        raise ImageError(
            f"the image must have at least {MIN_SIDE_PX}x{MIN_SIDE_PX} pixels, got "
            f"{width}x{height}"
        )
    return image


def _float_rgb(array: np.ndarray) -> np.ndarray:
    if array.ndim == 2:
        array = array[..., None]
    if array.ndim != 3 or array.shape[2] not in {1, 3, 4}:
        raise ValueError(
            "image must have shape (h, w, 3), (h, w, 4), (h, w, 1) or (h, w), got "
            f"{array.shape}"
        )
    if array.dtype == np.uint8:
        array = to_float(array)
    elif not np.issubdtype(array.dtype, np.floating):
        raise ValueError(f"image must have dtype uint8 or float, got {array.dtype}")
    array = array.astype(np.float32)
    # Written so that NaN fails too.
    if array.size and not (array.min() >= 0 and array.max() <= 1):
        raise ValueError(
            "floats in image must be in [0, 1], got values from "
            f"{array.min():g} to {array.max():g}"
        )
    if array.shape[2] == 4:
        alpha = array[..., 3:]
        array = array[..., :3] * alpha + (1 - alpha)
    return np.broadcast_to(array, (*array.shape[:2], 3)).copy()


def to_float(image_u8: UInt8[np.ndarray, "*shape"]) -> Float[np.ndarray, "*shape"]:
    """Returns 8-bit values as float32 in [0, 1]."""
    return image_u8.astype(np.float32) / np.float32(255)


def to_u8(image: np.ndarray) -> UInt8[np.ndarray, "*shape"]:
    """Returns floats as 8-bit values: clipped to [0, 1], scaled, rounded.

    Args:
        image: Any shape; uint8 is passed through.

    Raises:
        ValueError: If values are not finite, or the type is neither float nor uint8.
    """
    if image.dtype == np.uint8:
        return image
    # NumPy does not count bfloat16 as a float, so the other types are tested.
    if image.dtype == np.bool_ or np.issubdtype(image.dtype, np.integer):
        raise ValueError(f"image must have dtype uint8 or float, got {image.dtype}")
    values = image.astype(np.float32)
    if not np.isfinite(values).all():
        raise ValueError("image must be finite, got NaN or an infinity")
    return np.rint(np.clip(values, 0, 1) * np.float32(255)).astype(np.uint8)


def row_bands(height: int, width: int) -> Iterator[tuple[int, int]]:
    """Yields the first row and the end (exclusive) of every band of an image."""
    step = max(1, BAND_PX // width)
    for first in range(0, height, step):
        yield first, min(first + step, height)


def resize_short_side(image: Image | np.ndarray, size_px: int) -> Image | np.ndarray:
    """Returns the image resized so that its short side has `size_px` pixels.

    Args:
        image: A Pillow image, or a uint8 array of shape (h, w, 3); the result has the
            same type.
        size_px: New length of the short side; the aspect ratio is preserved up to
            rounding.

    Raises:
        ValueError: If `size_px` is below 1.

    Example:
        >>> import numpy as np
        >>> resize_short_side(np.zeros((40, 80, 3), np.uint8), 20).shape
        (20, 40, 3)
    """
    if size_px < 1:
        raise ValueError(f"size_px must be at least 1, got {size_px}")
    if not isinstance(image, Image):
        return np.asarray(resize_short_side(_pillow(image), size_px))
    return image.resize(with_short_side(image.size, size_px), Resampling.BICUBIC)


def with_short_side(size: tuple[int, int], size_px: int) -> tuple[int, int]:
    """Returns the sides in px of an image after `resize_short_side`."""
    scale = size_px / min(size)
    first, second = (max(1, round(side * scale)) for side in size)
    return first, second


def save_image(image: np.ndarray | Image, path: str | os.PathLike[str]) -> None:
    """Writes an image atomically.

    Args:
        image: A Pillow image, or an array of shape (h, w, 3) or (h, w), uint8 or float;
            floats are clipped to [0, 1] and rounded.
        path: Path whose suffix is the format: .jpg, .png, .webp, .bmp or .tif.

    Raises:
        ValueError: If the suffix is unknown, or the array has another shape or values
            that are not finite.
        FileNotFoundError: If the folder does not exist.
        OSError: If the file cannot be written.
    """
    path = Path(path)
    save_options(path)
    pillow = load_rgb(image) if isinstance(image, Image) else _pillow(image)
    write_picture(Picture(np.asarray(pillow)), path, overwrite=True)


def _pillow(array: np.ndarray) -> Image:
    array = np.asarray(array)
    if array.ndim not in {2, 3} or (array.ndim == 3 and array.shape[2] != 3):
        raise ValueError(
            f"image must have shape (h, w, 3) or (h, w), got {array.shape}"
        )
    return PillowImage.fromarray(np.ascontiguousarray(to_u8(array))).convert("RGB")


_SAVE_OPTIONS: dict[str, dict[str, Any]] = {
    ".jpg": {"format": "JPEG", "quality": 95, "subsampling": 0},
    ".jpeg": {"format": "JPEG", "quality": 95, "subsampling": 0},
    ".png": {"format": "PNG"},
    ".webp": {"format": "WEBP", "quality": 95},
    ".bmp": {"format": "BMP"},
    ".tif": {"format": "TIFF"},
    ".tiff": {"format": "TIFF"},
}
SUFFIXES_WRITTEN = frozenset(_SAVE_OPTIONS)
"""Suffixes of the formats that `write_picture` and `save_image` write."""
_WITH_ALPHA = frozenset({"PNG", "WEBP", "TIFF"})
_WITH_METADATA = frozenset({"JPEG", "PNG", "WEBP", "TIFF"})
# One JPEG segment has 65,535 bytes with its own length (ISO/IEC 10918-1, B.1.1.4).
_JPEG_EXIF_BYTES = 65_533


def save_options(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Returns Pillow's arguments for writing a file, chosen by its suffix.

    Raises:
        ValueError: If the suffix is unknown.
    """
    options = _SAVE_OPTIONS.get(Path(path).suffix.lower())
    if options is None:
        raise ValueError(
            f"cannot write {os.fspath(path)!r}: its suffix must be one of "
            f"{', '.join(sorted(_SAVE_OPTIONS))}"
        )
    return options


def keeps_alpha(suffix: str) -> bool:
    """Returns whether the format of this suffix supports transparency."""
    return save_options(f"x{suffix}")["format"] in _WITH_ALPHA


def encode_picture(picture: Picture, suffix: str) -> bytes:
    """Returns the bytes of an image file.

    If the format does not support them, transparency is composited on white and
    metadata are dropped.

    Args:
        picture: The image; use `Picture.without_metadata` to drop its metadata.
        suffix: Suffix of the format: .jpg, .png, .webp, .bmp or .tif.

    Raises:
        ValueError: If the suffix is unknown.
        ImageError: If a picture that the format cannot hold, as WebP one of more
            than 16,383 pixels a side.
    """
    options = dict(save_options(f"x{suffix}"))
    kind = options["format"]
    if picture.alpha_u8 is None or kind not in _WITH_ALPHA:
        pixels = picture.on_white()
    else:
        pixels = np.dstack([picture.rgb_u8, picture.alpha_u8])
    if kind in _WITH_METADATA:
        exif = picture.exif
        if exif and (kind != "JPEG" or len(exif) <= _JPEG_EXIF_BYTES):
            options["exif"] = exif
        if picture.icc_profile:
            options["icc_profile"] = picture.icc_profile
    file = io.BytesIO()
    what = f"an image of {pixels.shape[1]}x{pixels.shape[0]} pixels as {kind}"
    with explain_memory_errors(
        f"writing {what}", "use a smaller image, or free memory"
    ):
        try:
            PillowImage.fromarray(np.ascontiguousarray(pixels)).save(file, **options)
        except MemoryError:
            raise
        except Exception as error:  # see one_line
            raise ImageError(f"cannot write {what}: {one_line(error)}") from None
    return file.getvalue()


def write_picture(
    picture: Picture, path: str | os.PathLike[str], *, overwrite: bool = False
) -> None:
    """Writes an image with its metadata atomically.

    Args:
        picture: The image; see `encode_picture`.
        path: Path whose suffix is the format.
        overwrite: Whether to replace an existing file.

    Raises:
        ValueError: If the suffix is unknown.
        ImageError: If the format cannot hold the image.
        FileExistsError: If there is such a file, and `overwrite` is not set.
        FileNotFoundError: If the folder does not exist.
        OSError: If the file cannot be written.
    """
    path = Path(path)
    save_options(path)
    if not overwrite and path.exists():
        raise FileExistsError(
            f"{str(path)!r} exists already; use overwrite to replace it"
        )
    write_whole(path, encode_picture(picture, path.suffix))


def write_whole(path: Path, data: bytes) -> None:
    """Writes a file atomically, replacing an existing one.

    Raises:
        FileNotFoundError: If the folder does not exist.
        OSError: If the file cannot be written.
    """
    if not path.parent.is_dir():
        raise FileNotFoundError(
            f"cannot write {str(path)!r}: there is no folder {str(path.parent)!r}"
        )
    try:
        write_file(path, data)
    except OSError as error:
        failure = type(error)(f"cannot write {str(path)!r}: {one_line(error)}")
        failure.errno = error.errno  # the error number identifies a full disk
        raise failure from None
