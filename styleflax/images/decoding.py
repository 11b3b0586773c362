"""Pictures opened by Pillow, HEIC and AVIF, too, and any of its modes as 8-bit color.

Whatever is wrong with a file becomes one kind of error, whose message is one line.
"""

import io
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, TypeGuard

import numpy as np
from PIL import Image as PillowImage
from PIL import UnidentifiedImageError
from PIL.Image import Image, Transpose

from styleflax.files import find_url
from styleflax.images import tiff
from styleflax.images.tiff import UnreadLayoutError, samples_as_u8
from styleflax.images.unread import (
    HEAD_BYTES,
    RAW_FILE,
    Unread,
    unread_by_content,
    unread_by_name,
)
from styleflax.memory import check_fits, explain_memory_errors

# Brands of images coded by HEVC, with the two general ones that phones write first;
# brands of images coded by AV1.
_HEVC_BRANDS = frozenset(
    {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"}
)
_AV1_BRANDS = frozenset({b"avif", b"avis"})


def is_heif(head: bytes) -> bool:
    """Returns whether the first bytes are those of a HEIC or HEIF file."""
    return _major_brand(head) in _HEVC_BRANDS and not is_avif(head)


def is_avif(head: bytes) -> bool:
    """Returns whether the first bytes are those of an AVIF image or sequence."""
    major = _major_brand(head)
    if major not in {b"mif1", b"msf1"}:
        return major in _AV1_BRANDS
    # The major brand and its version are followed by the compatible brands.
    end = min(int.from_bytes(head[:4], "big"), len(head))
    compatible = {head[i : i + 4] for i in range(16, end - 3, 4)}
    return bool(compatible & _AV1_BRANDS)


def _major_brand(head: bytes) -> bytes:
    return head[8:12] if head[4:8] == b"ftyp" else b""


def register_heif() -> None:
    """Registers the format `HEIF` with Pillow.

    Raises:
        ImportError: If pillow-heif is not installed; the message names the extra.
    """
    try:
        import pillow_heif  # noqa: PLC0415  (only who reads HEIC has it)
    except ImportError:
        raise ImportError(
            'HEIC needs pillow-heif: pip install "styleflax[heif]"'
        ) from None
    pillow_heif.register_heif_opener(thumbnails=False)


def require_avif() -> None:
    """Checks that Pillow reads AVIF.

    Raises:
        ImportError: If it does not; the message says what to install.
    """
    from PIL import features  # noqa: PLC0415  (of rare use)

    PillowImage.init()
    # Pillow warns about names that it does not know.
    if "AVIF" not in PillowImage.OPEN or not features.check("avif"):
        raise ImportError(
            "AVIF needs Pillow 11.3 or later with its decoder: "
            'pip install "pillow>=11.3"'
        )


Encoded = str | os.PathLike[str] | bytes | bytearray | memoryview | IO[bytes]
"""An encoded image: a path, its bytes, or an open binary file, which is read from its
beginning."""
ENCODED_TYPES = (str, os.PathLike, bytes, bytearray, memoryview)
"""The forms of `Encoded` that are recognized by their type."""

MIN_SIDE_PX = 16
"""Smallest side of an image that the encoder accepts."""

MAX_MEGAPIXELS = 200.0
"""Default limit on decoding, the size of the largest photos of phones."""

# Formats for which Pillow starts other programs (EPS) are excluded. JPEG includes
# MPO, the pairs that some cameras write.
_FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "TIFF", "GIF", "PPM")
_pixel_limit_lock = threading.Lock()
# Bytes per pixel that Pillow needs to decode, convert and return 8-bit color.
_BYTES_PER_PIXEL, _BYTES_PER_DEEP_PIXEL = 12, 24


class ImageError(ValueError):
    """Raised for an image that cannot be used; the message is one line."""


def is_encoded(source: object) -> TypeGuard[Encoded]:
    """Returns whether an object is one of the forms of `Encoded`."""
    return isinstance(source, ENCODED_TYPES) or hasattr(source, "read")


def path_or_bytes(source: Encoded) -> Path | bytes:
    """Returns a path, or the bytes of data or of an open file.

    Raises:
        ValueError: If it is none of `Encoded`, or a file that is open as text.
    """
    if isinstance(source, str | os.PathLike):
        path = Path(source)
        return (
            path.read_bytes() if path.is_fifo() else path
        )  # such a file cannot be read twice
    if isinstance(source, bytes | bytearray | memoryview):
        return bytes(source)
    if not hasattr(source, "read"):
        raise ValueError(
            "an image must be a path, bytes, an open binary file, a Pillow image or "
            f"an array, got {type(source).__name__}"
        )
    if getattr(source, "seekable", lambda: False)():
        source.seek(0)  # as in Pillow
    data: Any = source.read()
    if not isinstance(data, bytes):
        raise ValueError(  # noqa: TRY004
            'the file of an image must be open in binary mode ("rb"), got one of '
            f"{type(data).__name__}"
        )
    return data


def open_image(
    source: Encoded,
    *,
    max_megapixels: float = MAX_MEGAPIXELS,
    min_side_px: int = MIN_SIDE_PX,
) -> Image:
    """Returns a Pillow image whose header alone has been read.

    Args:
        source: A path, bytes or an open binary file.
        max_megapixels: Largest accepted image in megapixels.
        min_side_px: Smallest accepted side in px.

    Raises:
        FileNotFoundError: If there is no such file.
        ImageError: If it is not an image, or is too small or too large.
        ValueError: If `source` is none of `Encoded`.
    """
    name, source = source_name(source), path_or_bytes(source)
    try:
        head = _head(source)
        image = _opened(source, head)
    except FileNotFoundError:
        url = None if isinstance(source, bytes) else find_url(source)
        hint = f": download {url} first" if url else ""
        raise FileNotFoundError(f"there is no image {name}{hint}") from None
    except UnidentifiedImageError:
        raise ImageError(_why_unread(name, source, head)) from None
    except UnreadLayoutError as error:
        raise ImageError(f"{name} is {error}") from None
    except Exception as error:  # see one_line
        raise ImageError(f"{name} cannot be opened: {one_line(error)}") from None
    if image.format == "TIFF" and _is_raw(image, source):
        image.close()
        raise ImageError(_refusal(name, RAW_FILE))
    width, height = image.size
    megapixels = width * height / 1e6
    if megapixels > max_megapixels:
        image.close()
        raise ImageError(
            f"{name} must have at most {max_megapixels:g} megapixels, got {width}x"
            f"{height} pixels; if you trust it, raise max_megapixels (--max-megapixels)"
        )
    if min(width, height) < min_side_px:
        image.close()
        raise ImageError(
            f"{name} must have at least {min_side_px}x{min_side_px} pixels, got "
            f"{width}x{height}"
        )
    return image


def _head(source: Path | bytes) -> bytes:
    if isinstance(source, bytes):
        return source[:HEAD_BYTES]
    with source.open("rb") as file:
        return file.read(HEAD_BYTES)


def _opened(source: Path | bytes, head: bytes) -> Image:
    """Returns the image, opened by one of the supported formats."""
    formats: tuple[str, ...] = _FORMATS
    if is_avif(head):
        require_avif()
        formats = ("AVIF",)
    elif is_heif(head):
        register_heif()
        formats = ("HEIF",)
    opened = io.BytesIO(source) if isinstance(source, bytes) else source
    try:
        with _pixel_limit_lock:
            limit, PillowImage.MAX_IMAGE_PIXELS = PillowImage.MAX_IMAGE_PIXELS, None
            try:
                image = PillowImage.open(opened, formats=formats)
            finally:
                PillowImage.MAX_IMAGE_PIXELS = limit
    except UnidentifiedImageError:
        if head[:4] not in tiff.BEGINNINGS:
            raise
        return tiff.SampledTiff(source)
    if image.format == "TIFF" and tiff.is_misread(image):
        image.close()
        return tiff.SampledTiff(source)
    return image


def _is_raw(image: Any, source: Path | bytes) -> bool:
    """Returns whether a TIFF file is a raw file, whose first image is a preview."""
    tags = image.tags if isinstance(image, tiff.SampledTiff) else image.tag_v2
    named = isinstance(source, Path) and unread_by_name(source.name) is RAW_FILE
    return named or tiff.is_raw(tags)


def _why_unread(name: str, source: Path | bytes, head: bytes) -> str:
    found: Unread | None = unread_by_content(head)
    if found is None and isinstance(source, Path):
        found = unread_by_name(source.name)
    return _refusal(name, found)


def _refusal(name: str, found: Unread | None) -> str:
    reason = "" if found is None else f": it is {found.kind}; {found.advice}"
    return f"{name} is not an image that can be read{reason}"


@contextmanager
def decoding(image: Image, name: str) -> Iterator[None]:
    """Turns errors of decoding within the block into one-line errors.

    Args:
        image: The image, with only its header read; it is refused if its pixels do
            not fit into free memory.
        name: Name of the image in errors.

    Raises:
        NotEnoughMemoryError: If the pixels do not fit.
        ImageError: If the picture is damaged.
    """
    width, height = image.size
    deep = image.mode.startswith(("I", "F"))
    with explain_memory_errors(
        f"decoding {name} of {width}x{height} pixels",
        "make a smaller copy of the image, or free memory",
    ):
        check_fits(
            width * height * (_BYTES_PER_DEEP_PIXEL if deep else _BYTES_PER_PIXEL)
        )
        try:
            yield
        except MemoryError:
            raise
        except UnreadLayoutError as error:
            raise ImageError(f"{name} is {error}") from None
        except Exception as error:  # see one_line
            raise ImageError(f"{name} is damaged: {one_line(error)}") from None


def one_line(error: Exception) -> str:
    """Returns the first line of an error's message, or its type if it has none.

    Pillow's readers raise nearly every built-in exception on damaged data
    (SyntaxError, struct.error, IndexError and more), so callers catch Exception and
    use this line.
    """
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return str(error).partition("\n")[0] or type(error).__name__


def source_name(source: Encoded) -> str:
    """Returns the name of a file, or of data in memory, for messages."""
    named: Any = source
    if not isinstance(source, str | os.PathLike):
        named = getattr(source, "name", None)  # of an open file
    return (
        repr(os.fspath(named)) if isinstance(named, str | os.PathLike) else "the data"
    )


_EXIF_ORIENTATION = 0x0112
_UPRIGHT = {
    2: Transpose.FLIP_LEFT_RIGHT,
    3: Transpose.ROTATE_180,
    4: Transpose.FLIP_TOP_BOTTOM,
    5: Transpose.TRANSPOSE,
    6: Transpose.ROTATE_270,
    7: Transpose.TRANSVERSE,
    8: Transpose.ROTATE_90,
}


def exif_orientation(image: Image) -> int:
    """Returns the EXIF orientation, 1 to 8; 1 (upright) if missing or unreadable."""
    try:
        orientation = image.getexif().get(_EXIF_ORIENTATION, 1)
    except Exception:  # a broken EXIF block does not spoil the pixels
        return 1
    return orientation if orientation in _UPRIGHT else 1


def upright_rgb(image: Image) -> Image:
    """Returns the image in mode RGB, rotated according to its EXIF data.

    Transparent pixels are composited on white. Gray of 16 bits is scaled to 8 bits
    (Pillow's own conversion clips it to white). Float gray is interpreted as [0, 1] or
    [0, 255], whichever contains it, and stretched otherwise; see `samples_as_u8`.

    Args:
        image: Any Pillow image; it is decoded by this call.

    Raises:
        Exception: Any exception of Pillow for damaged data.
    """
    image.load()
    # Read after loading, because Pillow's TIFF reader rotates the image while loading
    # and drops the tag.
    orientation = exif_orientation(image)
    return turned_upright(_rgb(image), orientation)


def turned_upright(image: Image, orientation: int) -> Image:
    """Returns the image rotated and mirrored according to an EXIF orientation."""
    return image if orientation == 1 else image.transpose(_UPRIGHT[orientation])


def color_and_alpha(image: Image) -> tuple[Image, Image | None]:
    """Returns the color and the opacity of a decoded image separately.

    Args:
        image: Any decoded Pillow image.

    Returns:
        The color in mode L, RGB or CMYK of 8 bits, with gray of more bits scaled as in
        `upright_rgb`, and white at fully transparent pixels; and the opacity in mode L,
        or None for an opaque image.

    Raises:
        Exception: Any exception of Pillow for damaged data.
    """
    if image.mode.startswith(("I", "F")):
        return _rgb(image).getchannel("R"), None
    if image.mode == "La":  # premultiplied; Pillow converts it to LA only
        image = image.convert("LA")
    if not image.has_transparency_data:
        plain = image.mode in {"L", "RGB", "CMYK"}
        return (image if plain else image.convert("RGB")), None
    # Through RGBA, to which Pillow converts every kind of transparency.
    alpha = image.convert("RGBA").getchannel("A")
    color = image.convert("L" if image.mode in {"L", "LA"} else "RGB")
    if alpha.getextrema() == (255, 255):
        return color, None
    hidden = alpha.point(lambda a: 255 if a == 0 else 0)
    # A copy, because conversion to the same mode may return the caller's image.
    color = color.copy()
    color.paste(PillowImage.new(color.mode, color.size, "white"), mask=hidden)
    return color, alpha


def _rgb(image: Image) -> Image:
    if image.mode == "RGB" and not image.has_transparency_data:
        return image
    if image.mode.startswith(("I", "F")):
        gray_u8 = samples_as_u8(np.asarray(image))
        return PillowImage.fromarray(gray_u8).convert("RGB")
    if image.mode == "La":  # premultiplied; Pillow converts it to LA only
        image = image.convert("LA")
    if image.has_transparency_data:
        opaque = PillowImage.new("RGBA", image.size, "white")
        opaque.alpha_composite(image.convert("RGBA"))
        return opaque.convert("RGB")
    return image.convert("RGB")
