"""Pictures opened and decoded by Pillow, HEIC and AVIF, too, with one error for all."""

import io
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, TypeGuard

from PIL import Image as PillowImage
from PIL import UnidentifiedImageError
from PIL.Image import Image

from styleflax.files import find_url
from styleflax.images import tiff
from styleflax.images.pixels import upright_rgb
from styleflax.images.tiff import UnreadLayoutError
from styleflax.images.unread import (
    HEAD_BYTES,
    RAW_FILE,
    Unread,
    unread_by_content,
    unread_by_name,
)
from styleflax.memory import check_fits, explain_memory_errors

# Brands of pictures that are coded by HEVC, and the two general ones that telephones
# write before them; of pictures coded by AV1.
_HEVC_BRANDS = frozenset(
    {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"}
)
_AV1_BRANDS = frozenset({b"avif", b"avis"})


def is_heif(head: bytes) -> bool:
    """Returns whether a file that begins so is one of HEIC's or HEIF's."""
    return _major_brand(head) in _HEVC_BRANDS and not is_avif(head)


def is_avif(head: bytes) -> bool:
    """Returns whether a file that begins so is an AVIF picture or sequence."""
    major = _major_brand(head)
    if major not in {b"mif1", b"msf1"}:
        return major in _AV1_BRANDS
    # After the major brand and its version come those that the file agrees with.
    end = min(int.from_bytes(head[:4], "big"), len(head))
    compatible = {head[i : i + 4] for i in range(16, end - 3, 4)}
    return bool(compatible & _AV1_BRANDS)


def _major_brand(head: bytes) -> bytes:
    return head[8:12] if head[4:8] == b"ftyp" else b""


def register_heif() -> None:
    """Teaches Pillow the format `HEIF`.

    Raises:
        ImportError: pillow-heif is not installed; the message names the extra.
    """
    try:
        import pillow_heif  # noqa: PLC0415  (only who reads HEIC has it)
    except ImportError:
        raise ImportError(
            'HEIC needs pillow-heif: pip install "styleflax[heif]"'
        ) from None
    pillow_heif.register_heif_opener(thumbnails=False)


def require_avif() -> None:
    """Makes sure that Pillow reads AVIF.

    Raises:
        ImportError: It does not; the message says what to install.
    """
    from PIL import features  # noqa: PLC0415  (of rare use)

    PillowImage.init()
    # Asked only where Pillow knows the name, since it warns of others.
    if "AVIF" not in PillowImage.OPEN or not features.check("avif"):
        raise ImportError(
            "AVIF needs Pillow 11.3 or later with its decoder: "
            'pip install "pillow>=11.3"'
        )


Encoded = str | os.PathLike[str] | bytes | bytearray | memoryview | IO[bytes]
"""A picture as in its file: a path, its bytes, or an open binary file, which is read
from its beginning."""
ENCODED_TYPES = (str, os.PathLike, bytes, bytearray, memoryview)
"""Those of `Encoded` that can be told by their type."""

MIN_SIDE_PX = 16
"""Smallest side of a picture that the encoder can take."""

MAX_MEGAPIXELS = 200.0
"""Default limit on decoding: the largest pictures that telephones take."""

# Pillow also opens formats that start other programs (EPS); those stay shut. JPEG
# covers MPO, the pairs that some cameras write.
_FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "TIFF", "GIF", "PPM")
_pixel_limit_lock = threading.Lock()
# What Pillow holds of a pixel while it decodes, converts and hands over 8-bit color.
_BYTES_PER_PIXEL, _BYTES_PER_DEEP_PIXEL = 12, 24


class ImageError(ValueError):
    """A picture that cannot be used; the message is one line that says why."""


def is_encoded(source: object) -> TypeGuard[Encoded]:
    """Returns whether this is one of `Encoded`."""
    return isinstance(source, ENCODED_TYPES) or hasattr(source, "read")


def path_or_bytes(source: Encoded) -> Path | bytes:
    """Returns a path, or what was given or can be read in memory.

    Raises:
        ValueError: It is none of `Encoded`, or a file that is open as text.
    """
    if isinstance(source, str | os.PathLike):
        path = Path(source)
        return path.read_bytes() if path.is_fifo() else path  # cannot be read twice
    if isinstance(source, bytes | bytearray | memoryview):
        return bytes(source)
    if not hasattr(source, "read"):
        raise ValueError(
            "an image must be a path, bytes, an open binary file, a Pillow image or "
            f"an array, got {type(source).__name__}"
        )
    if getattr(source, "seekable", lambda: False)():
        source.seek(0)  # as Pillow does
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
    """Returns a Pillow picture of which only the header has been read.

    Args:
        source: See `Encoded`.
        max_megapixels: Larger pictures are refused before anything is decoded.
        min_side_px: Pictures with a shorter side are refused.

    Raises:
        FileNotFoundError: There is no such file.
        ImageError: Not a picture, too small or too large.
        ValueError: `source` is none of `Encoded`.
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
    """The picture, by one of our formats; raises whatever Pillow raises."""
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
    """Whether a TIFF file is a camera's raw file, whose first picture is a preview."""
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


def load_rgb(
    source: Encoded | Image,
    *,
    max_megapixels: float = MAX_MEGAPIXELS,
    min_side_px: int = MIN_SIDE_PX,
) -> Image:
    """Returns a decoded Pillow picture in mode RGB, upright and opaque.

    Args:
        source: See `Encoded`, or a Pillow picture.
        max_megapixels: See `open_image`.
        min_side_px: See `open_image`.

    Raises:
        FileNotFoundError: There is no such file.
        ImageError: Not a picture, damaged, too small or too large.
        NotEnoughMemoryError: Its pixels do not fit into free memory.
        ValueError: `source` is none of these.
    """
    if isinstance(source, Image):
        return _decoded(source, "the picture")
    # Leaving `with` closes the file; the decoded pixels stay.
    with open_image(
        source, max_megapixels=max_megapixels, min_side_px=min_side_px
    ) as image:
        return _decoded(image, source_name(source))


@contextmanager
def decoding(image: Image, name: str) -> Iterator[None]:
    """Turns errors of decoding within the block into one line.

    Args:
        image: The image, with only its header read; it is refused if its pixels do
            not fit into free memory.
        name: How messages call it.

    Raises:
        NotEnoughMemoryError: The pixels do not fit.
        ImageError: The picture is damaged.
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
    (SyntaxError, struct.error, IndexError and more), so callers
    catch Exception and keep this line.
    """
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return str(error).partition("\n")[0] or type(error).__name__


def _decoded(image: Image, name: str) -> Image:
    with decoding(image, name):
        return upright_rgb(image)


def source_name(source: Encoded) -> str:
    """Returns how messages call a file, or data that are in no file."""
    named: Any = source
    if not isinstance(source, str | os.PathLike):
        named = getattr(source, "name", None)  # of an open file
    return (
        repr(os.fspath(named)) if isinstance(named, str | os.PathLike) else "the data"
    )
