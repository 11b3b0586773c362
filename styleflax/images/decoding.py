"""Pictures opened and decoded by Pillow, with one exception for all that fails."""

import io
import os
import threading
from pathlib import Path

from PIL import Image as PillowImage
from PIL import UnidentifiedImageError
from PIL.Image import Image

from styleflax.files import find_url
from styleflax.images.heif import HEAD_BYTES, is_heif, register_heif
from styleflax.images.pixels import upright_rgb

MIN_SIDE_PX = 16
"""Smallest side of a picture that the encoder can take."""

MAX_MEGAPIXELS = 200.0
"""Default limit on decoding: the largest pictures that telephones take."""

# Pillow also opens formats that start other programs (EPS); those stay shut. JPEG
# covers MPO, the pairs that some cameras write.
_FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "TIFF", "GIF", "PPM")
_pixel_limit_lock = threading.Lock()


class ImageError(ValueError):
    """A picture that cannot be used; the message is one line that says why."""


def open_image(
    source: str | os.PathLike[str] | bytes,
    *,
    max_megapixels: float = MAX_MEGAPIXELS,
    min_side_px: int = MIN_SIDE_PX,
) -> Image:
    """Returns a Pillow picture of which only the header has been read.

    Args:
        source: A file's path, or an encoded picture.
        max_megapixels: Larger pictures are refused before anything is decoded.
        min_side_px: Pictures with a shorter side are refused.

    Raises:
        FileNotFoundError: There is no such file.
        ImageError: Not a picture, too small or too large.
    """
    name = source_name(source)
    try:
        image = _opened(source)
    except FileNotFoundError:
        url = find_url(source) if isinstance(source, str | os.PathLike) else None
        hint = f": download {url} first" if url else ""
        raise FileNotFoundError(f"no picture at {name}{hint}") from None
    except UnidentifiedImageError:
        raise ImageError(f"{name} is not a picture that can be read") from None
    except Exception as error:  # see one_line
        raise ImageError(f"{name} cannot be opened: {one_line(error)}") from None
    width, height = image.size
    megapixels = width * height / 1e6
    if megapixels > max_megapixels:
        image.close()
        raise ImageError(
            f"{name} says that it has {width}x{height} pixels, "
            f"more than the limit of {max_megapixels:g} megapixels; if it is to be "
            "trusted, raise max_megapixels (--max-megapixels)"
        )
    if min(width, height) < min_side_px:
        image.close()
        raise ImageError(
            f"{name} is {width}x{height} pixels; "
            f"at least {min_side_px}x{min_side_px} are needed"
        )
    return image


def _opened(source: str | os.PathLike[str] | bytes) -> Image:
    """The picture, by one of our formats; raises whatever Pillow raises."""
    if not isinstance(source, bytes) and Path(source).is_fifo():
        source = Path(source).read_bytes()  # cannot be read twice
    if isinstance(source, bytes):
        head = source[:HEAD_BYTES]
    else:
        with Path(source).open("rb") as file:
            head = file.read(HEAD_BYTES)
    formats: tuple[str, ...] = _FORMATS
    if is_heif(head):
        register_heif()
        formats = ("HEIF",)
    opened = io.BytesIO(source) if isinstance(source, bytes) else Path(source)
    with _pixel_limit_lock:
        limit, PillowImage.MAX_IMAGE_PIXELS = PillowImage.MAX_IMAGE_PIXELS, None
        try:
            return PillowImage.open(opened, formats=formats)
        finally:
            PillowImage.MAX_IMAGE_PIXELS = limit


def load_rgb(
    source: str | os.PathLike[str] | bytes | Image,
    *,
    max_megapixels: float = MAX_MEGAPIXELS,
    min_side_px: int = MIN_SIDE_PX,
) -> Image:
    """Returns a decoded Pillow picture in mode RGB, upright and opaque.

    Args:
        source: A path, an encoded picture, or a Pillow picture.
        max_megapixels: See `open_image`.
        min_side_px: See `open_image`.

    Raises:
        FileNotFoundError: There is no such file.
        ImageError: Not a picture, damaged, too small or too large.
    """
    if isinstance(source, Image):
        return _decoded(source, "the picture")
    # Leaving `with` closes the file; the decoded pixels stay.
    with open_image(
        source, max_megapixels=max_megapixels, min_side_px=min_side_px
    ) as image:
        return _decoded(image, source_name(source))


def one_line(error: Exception) -> str:
    """Returns the first line of an error's message, or its type if it has none.

    Pillow's readers raise nearly every built-in exception on damaged data
    (SyntaxError, struct.error, IndexError, MemoryError and more), so callers
    catch Exception and keep this line.
    """
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return str(error).partition("\n")[0] or type(error).__name__


def _decoded(image: Image, name: str) -> Image:
    try:
        return upright_rgb(image)
    except Exception as error:  # see one_line
        raise ImageError(f"{name} is damaged: {one_line(error)}") from None


def source_name(source: str | os.PathLike[str] | bytes) -> str:
    """Returns how messages call a file, or data that are in no file."""
    return "the data" if isinstance(source, bytes) else repr(os.fspath(source))
