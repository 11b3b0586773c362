"""Pictures read from files and written to them; uint8 exists only here.

Nothing in this module imports TFDS or Grain, so that a picture can be stylized
on a machine that cannot train.
"""

import io
import os
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
    load_rgb,
    one_line,
)
from styleflax.images.grid import image_grid
from styleflax.images.listing import list_images
from styleflax.images.pixels import to_float, to_u8
from styleflax.images.read import Picture, read_picture
from styleflax.memory import explain_memory_errors

__all__ = [
    "MAX_MEGAPIXELS",
    "MIN_SIDE_PX",
    "SUFFIXES_WRITTEN",
    "ImageError",
    "as_float_image",
    "decode_image_u8",
    "image_grid",
    "list_images",
    "load_image_u8",
    "resize_short_side",
    "save_image",
    "to_float",
    "to_u8",
]


def load_image_u8(
    path: Encoded,
    *,
    max_megapixels: float = MAX_MEGAPIXELS,
    min_side_px: int = MIN_SIDE_PX,
) -> UInt8[np.ndarray, "h w 3"]:
    """Returns the picture in a file as RGB, upright, transparency on white.

    Args:
        path: A file of any kind that `read_picture` reads, its bytes, or the open file.
        max_megapixels: See `open_image`.
        min_side_px: See `open_image`.

    Raises:
        FileNotFoundError: There is no such file.
        ImageError: Not a picture, damaged, too small or too large.
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
    """Returns an encoded picture as RGB, as `load_image_u8` does.

    Raises:
        ImageError: Not a picture, damaged, too small or too large.
    """
    return np.asarray(
        load_rgb(encoded, max_megapixels=max_megapixels, min_side_px=min_side_px)
    )


def as_float_image(
    source: Encoded | Image | np.ndarray,
    *,
    max_megapixels: float = MAX_MEGAPIXELS,
) -> Float[np.ndarray, "h w 3"]:
    """Returns a picture as float32 RGB in [0, 1], however it is given.

    Files and Pillow pictures with a color profile are converted to sRGB.

    Args:
        source: A path, bytes, an open binary file, a Pillow picture, or an array of
            shape (h, w, 3), (h, w, 4) (composited on white), (h, w, 1) or (h, w):
            uint8, or float in [0, 1].
        max_megapixels: The limit for files, checked before decoding.

    Raises:
        FileNotFoundError: There is no such file.
        ImageError: Not a usable picture.
        ValueError: An array of another shape, type or range.
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


def resize_short_side(image: Image | np.ndarray, size_px: int) -> Image | np.ndarray:
    """Returns the picture scaled so that its short side has `size_px` pixels.

    Args:
        image: A Pillow picture, or a uint8 array of shape (h, w, 3); the result
            is of the same kind.
        size_px: The new short side; the long side keeps the aspect to the pixel.

    Raises:
        ValueError: `size_px` is below 1.

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
    """The two sides in px that `resize_short_side` gives a picture of that size."""
    scale = size_px / min(size)
    first, second = (max(1, round(side * scale)) for side in size)
    return first, second


def save_image(image: np.ndarray | Image, path: str | os.PathLike[str]) -> None:
    """Writes a picture, whole or not at all.

    Args:
        image: A Pillow picture, or an array of shape (h, w, 3) or (h, w), either
            uint8 or float; floats are clipped to [0, 1] and rounded.
        path: Its suffix names the format: .jpg, .png, .webp, .bmp or .tif.

    Raises:
        ValueError: Unknown suffix, or an array of another shape, or not finite.
        FileNotFoundError: The folder does not exist.
        OSError: The file cannot be written.
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
"""Formats that `write_picture` and `save_image` know."""
_WITH_ALPHA = frozenset({"PNG", "WEBP", "TIFF"})
_WITH_METADATA = frozenset({"JPEG", "PNG", "WEBP", "TIFF"})
# One JPEG segment has 65,535 bytes with its own length (ISO/IEC 10918-1, B.1.1.4).
_JPEG_EXIF_BYTES = 65_533


def save_options(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Returns Pillow's arguments for a file, judged by its suffix.

    Raises:
        ValueError: Unknown suffix.
    """
    options = _SAVE_OPTIONS.get(Path(path).suffix.lower())
    if options is None:
        raise ValueError(
            f"cannot write {os.fspath(path)!r}: its suffix must be one of "
            f"{', '.join(sorted(_SAVE_OPTIONS))}"
        )
    return options


def keeps_alpha(suffix: str) -> bool:
    """Returns whether files with this suffix can be transparent."""
    return save_options(f"x{suffix}")["format"] in _WITH_ALPHA


def encode_picture(picture: Picture, suffix: str) -> bytes:
    """Returns a picture as the contents of a file.

    Transparency goes on white, and metadata are left out, where the format has
    no room for them.

    Args:
        picture: What to write; `Picture.without_metadata` takes the rest away.
        suffix: Names the format: .jpg, .png, .webp, .bmp or .tif.

    Raises:
        ValueError: Unknown suffix.
        ImageError: A picture that the format cannot hold, as WebP one of more
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
    """Writes a picture, whole or not at all.

    Args:
        picture: What to write; see `encode_picture`.
        path: Its suffix names the format.
        overwrite: Replace a file that is there.

    Raises:
        ValueError: Unknown suffix.
        ImageError: A picture that the format cannot hold.
        FileExistsError: There is such a file, and `overwrite` is not set.
        FileNotFoundError: The folder does not exist.
        OSError: The file cannot be written.
    """
    path = Path(path)
    save_options(path)
    if not overwrite and path.exists():
        raise FileExistsError(
            f"{str(path)!r} exists already; use overwrite to replace it"
        )
    write_whole(path, encode_picture(picture, path.suffix))


def write_whole(path: Path, data: bytes) -> None:
    """Writes a file, whole or not at all, over one that may be there.

    Raises:
        FileNotFoundError: The folder does not exist.
        OSError: The file cannot be written.
    """
    if not path.parent.is_dir():
        raise FileNotFoundError(
            f"cannot write {str(path)!r}: there is no folder {str(path.parent)!r}"
        )
    try:
        write_file(path, data)
    except OSError as error:
        failure = type(error)(f"cannot write {str(path)!r}: {one_line(error)}")
        failure.errno = error.errno  # by which a full disk is known
        raise failure from None
