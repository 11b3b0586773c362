"""Pictures written to files: whole or not at all, and over nothing unasked."""

import io
import os
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image as PillowImage

from styleflax.files import write_file
from styleflax.images.decoding import ImageError, one_line
from styleflax.images.read import Picture
from styleflax.memory import explained_memory

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
    with explained_memory(f"writing {what}", "use a smaller image, or free memory"):
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
