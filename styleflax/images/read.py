"""Reading images with their frames, transparency, EXIF data and color profile."""

import functools
import io
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import UInt8
from PIL import Image as PillowImage
from PIL import ImageCms
from PIL.Image import Exif, Image

from styleflax.images.decoding import (
    MAX_MEGAPIXELS,
    MIN_SIDE_PX,
    Encoded,
    color_and_alpha,
    decoding,
    exif_orientation,
    one_line,
    open_image,
    source_name,
    turned_upright,
    upright_rgb,
)

_IN_TIME = frozenset({"GIF", "WEBP", "PNG", "AVIF"})
"""Formats of animations."""
_NEW_SUBFILE_TYPE, _REDUCED, _MASK = 254, 1, 4  # of TIFF


def is_animated(image: Image) -> bool:
    """Returns whether an opened image is an animation."""
    return image.format in _IN_TIME and num_frames(image) > 1


def num_frames(image: Any) -> int:
    """Returns the number of frames of an opened animation."""
    return int(getattr(image, "n_frames", 1)) - first_frame(image)


def first_frame(image: Any) -> int:
    """Returns the number of the first frame.

    It is 1 for a PNG whose first image is only for programs without animations.
    """
    return int(bool(getattr(image, "default_image", False)))


def note_of_others(image: Any) -> str:
    """Returns a note about unused frames or pages; "" if there are none.

    Args:
        image: An opened image; this call leaves it at its first frame.
    """
    try:
        if is_animated(image):
            return (
                f"only the first of its {num_frames(image)} frames is taken; "
                "`styleflax video` stylizes them all"
            )
        pages = _num_pages(image) if image.format == "TIFF" else 1
    except Exception:  # damage after the first image does not affect it
        return ""
    if pages == 1:
        return ""
    return (
        f"only the first of its {pages} pages is taken; split it to take all, for "
        "example by `magick a.tif page_%d.tif`"
    )


def _num_pages(image: Any) -> int:
    """Returns the number of pages that are not reduced copies or masks of others."""
    pages = 0
    try:
        for number in range(int(getattr(image, "n_frames", 1))):
            image.seek(number)
            kind = image.tag_v2.get(_NEW_SUBFILE_TYPE, 0)
            pages += not kind & (_REDUCED | _MASK)
    finally:
        image.seek(0)
    return max(pages, 1)


_ORIENTATION = 0x0112
_EXIF_IFD, _GPS_IFD = 0x8769, 0x8825

# Tag numbers of CIPA DC-008 (Exif 3.0), section 4.6. Tags about the capture of the
# photo are retained; tags about the layout of pixels, which TIFF files store in the
# same list, are not.
_KEPT = frozenset(
    {
        0x010E,  # ImageDescription
        0x010F,  # Make
        0x0110,  # Model
        0x011A,  # XResolution
        0x011B,  # YResolution
        0x0128,  # ResolutionUnit
        0x0131,  # Software
        0x0132,  # DateTime
        0x013B,  # Artist
        0x8298,  # Copyright
    }
)
# The maker's note contains offsets into the old file; sizes and interoperability
# tags describe the old image.
_DROPPED_OF_PHOTO = frozenset({0x927C, 0xA002, 0xA003, 0xA005})


def retained_exif(image: Image) -> bytes | None:
    """Returns the EXIF data for a result made from this image; None if it has none.

    The data declare an upright orientation and include the location (GPS). The
    thumbnail, the maker's note and all tags about the old file's pixels are excluded.

    Args:
        image: An opened Pillow image; it need not be decoded.

    Raises:
        Exception: Any exception of Pillow for a damaged block.
    """
    exif = image.getexif()
    kept = {tag: value for tag, value in exif.items() if tag in _KEPT}
    photo = _without(exif.get_ifd(_EXIF_IFD), _DROPPED_OF_PHOTO)
    place = dict(exif.get_ifd(_GPS_IFD))
    if not (kept or photo or place):
        return None
    block: Exif = PillowImage.Exif()
    block.update(kept)
    block[_ORIENTATION] = 1
    if photo:
        block[_EXIF_IFD] = photo
    if place:
        block[_GPS_IFD] = place
    return block.tobytes()


def _without(ifd: dict[int, Any], tags: frozenset[int]) -> dict[int, Any]:
    return {tag: value for tag, value in ifd.items() if tag not in tags}


_CREATION_DATE = slice(24, 36)  # ICC.1:2022, section 7.2, table 17
_FIXED_DATE = b"\x07\xd0\0\x01\0\x01\0\0\0\0\0\0"  # the start of the year 2000


def convert_to_srgb(color: Image, profile: bytes) -> Image:
    """Returns an image converted to sRGB, in mode RGB.

    White and black are preserved (relative colorimetric intent with black point
    compensation), as in photo editors.

    Args:
        color: Image in the mode L, RGB or CMYK that fits the profile.
        profile: An ICC profile.

    Raises:
        Exception: Whatever Pillow raises on a profile that is damaged, or made
            for another kind of color.
    """
    converted = ImageCms.profileToProfile(
        color,
        ImageCms.ImageCmsProfile(io.BytesIO(profile)),
        ImageCms.ImageCmsProfile(io.BytesIO(srgb_profile())),
        renderingIntent=ImageCms.Intent.RELATIVE_COLORIMETRIC,
        outputMode="RGB",
        flags=ImageCms.Flags.BLACKPOINTCOMPENSATION,
    )
    assert converted is not None  # the result is an image unless inPlace is set
    converted.info.pop("icc_profile", None)
    return converted


@functools.cache
def srgb_profile() -> bytes:
    """Returns an ICC profile of sRGB, the same bytes at every call."""
    profile = bytearray(
        ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    )
    profile[_CREATION_DATE] = _FIXED_DATE
    return bytes(profile)


class Picture(NamedTuple):
    """A decoded image, upright and in sRGB.

    Attributes:
        rgb_u8: Colors, not composited on a background; white at fully transparent
            pixels.
        alpha_u8: Opacity, 255 for opaque pixels; None for an opaque image.
        exif: EXIF data for results made from it; see `retained_exif`.
        icc_profile: The profile of sRGB if the file has a color profile, else None.
        mode: Pillow's mode of the file, for example "CMYK".
        format: Pillow's name of the format, for example "TIFF"; "" for data in memory.
        notes: One line for each part of the file that was ignored.
    """

    rgb_u8: UInt8[np.ndarray, "h w 3"]
    alpha_u8: UInt8[np.ndarray, "h w"] | None = None
    exif: bytes | None = None
    icc_profile: bytes | None = None
    mode: str = "RGB"
    format: str = ""
    notes: tuple[str, ...] = ()

    def on_white(self) -> UInt8[np.ndarray, "h w 3"]:
        """Returns the colors composited on white."""
        if self.alpha_u8 is None:
            return self.rgb_u8
        height, width = self.alpha_u8.shape
        paper = PillowImage.new("RGBA", (width, height), "white")
        paper.alpha_composite(
            PillowImage.fromarray(np.dstack([self.rgb_u8, self.alpha_u8]), "RGBA")
        )
        return np.asarray(paper.convert("RGB"))

    def without_metadata(self) -> "Picture":
        """Returns the image without EXIF data and color profile."""
        return self._replace(exif=None, icc_profile=None)


def read_picture(
    source: Encoded | Image,
    *,
    max_megapixels: float = MAX_MEGAPIXELS,
    min_side_px: int = MIN_SIDE_PX,
) -> Picture:
    """Returns an image from a file, from encoded data, or from a Pillow image.

    Formats are JPEG, PNG, WebP, TIFF, BMP, PPM, GIF, AVIF (if Pillow supports it) and
    HEIC (with the extra `heif`), of any mode and depth. Only the first of several
    frames is read, which `notes` mention. Colors are converted to sRGB if the file has
    another color profile.

    Args:
        source: A path, bytes, an open binary file, or a Pillow image.
        max_megapixels: Largest accepted image in megapixels.
        min_side_px: Smallest accepted side in px.

    Raises:
        FileNotFoundError: If there is no such file.
        ImageError: If it is not an image, is damaged, too small or too large.
        NotEnoughMemoryError: If its pixels do not fit into free memory.
        ValueError: If `source` is none of these.
    """
    with warnings.catch_warnings():
        # Hides Pillow's warnings about unusual files; `notes` has the important ones.
        warnings.simplefilter("ignore")
        with _opened(source, max_megapixels, min_side_px) as (image, name):
            return _read(image, name)


def load_rgb(
    source: Encoded | Image,
    *,
    max_megapixels: float = MAX_MEGAPIXELS,
    min_side_px: int = MIN_SIDE_PX,
) -> Image:
    """Returns a decoded Pillow image in mode RGB, upright and opaque.

    Args:
        source: A path, bytes, an open binary file or a Pillow image.
        max_megapixels: Largest accepted image in megapixels.
        min_side_px: Smallest accepted side in px.

    Raises:
        FileNotFoundError: If there is no such file.
        ImageError: If it is not an image, is damaged, too small or too large.
        NotEnoughMemoryError: If its pixels do not fit into free memory.
        ValueError: If `source` is none of these.
    """
    with (
        _opened(source, max_megapixels, min_side_px) as (image, name),
        decoding(image, name),
    ):
        return upright_rgb(image)


@contextmanager
def _opened(
    source: Encoded | Image, max_megapixels: float, min_side_px: int
) -> Iterator[tuple[Image, str]]:
    """Within the block, the image and its name; closes a file that it has opened."""
    if isinstance(source, Image):
        yield source, "the picture"
        return
    with open_image(
        source, max_megapixels=max_megapixels, min_side_px=min_side_px
    ) as image:
        yield image, source_name(source)


def other_frames(source: Encoded) -> str:
    """Returns a note about unused frames or pages of a file; "" if there are none.

    Only headers are read. The note complements `load_rgb`, which returns none.

    Args:
        source: A path, bytes, or an open binary file; files that are not images have no
            note.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            with open_image(
                source, max_megapixels=float("inf"), min_side_px=1
            ) as image:
                return note_of_others(image)
        except (ValueError, OSError):
            return ""


def _read(image: Image, name: str) -> Picture:
    notes: list[str] = []
    with decoding(image, name):
        exif = _exif(image, notes)  # Pillow changes the mode of a TIFF file in decoding
        if others := note_of_others(image):
            notes.append(others)
        image.load()
        orientation = exif_orientation(image)  # after it, see `upright_rgb`
        color, alpha = color_and_alpha(image)
        profile = image.info.get("icc_profile")
        rgb, profile = _srgb(color, profile, notes)
        rgb_u8 = np.asarray(turned_upright(rgb, orientation))
        alpha_u8 = None
        if alpha is not None:
            alpha_u8 = np.asarray(turned_upright(alpha, orientation))
    return Picture(
        rgb_u8,
        alpha_u8,
        exif,
        profile,
        image.mode,
        image.format or "",
        tuple(f"{name}: {note}" for note in notes),
    )


def _exif(image: Image, notes: list[str]) -> bytes | None:
    try:
        return retained_exif(image)
    except MemoryError:
        raise
    except Exception as error:  # a broken EXIF block does not spoil the pixels
        notes.append(f"the EXIF block is ignored: {one_line(error)}")
        return None


def _srgb(
    color: Image, profile: bytes | None, notes: list[str]
) -> tuple[Image, bytes | None]:
    """Returns the colors as sRGB, and sRGB's profile if the file had a valid one."""
    if profile:
        try:
            return convert_to_srgb(color, profile), srgb_profile()
        except MemoryError:
            raise
        except (
            Exception
        ) as error:  # the pixels are valid even if the profile is damaged
            notes.append(f"the color profile is ignored: {one_line(error)}")
    return color.convert("RGB"), None
