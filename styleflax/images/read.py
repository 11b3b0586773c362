"""Pictures with their frames, alpha, EXIF and ICC profile."""

import functools
import io
import warnings
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
    decoding,
    one_line,
    open_image,
    source_name,
)
from styleflax.images.pixels import color_and_alpha, exif_orientation, turned_upright

_IN_TIME = frozenset({"GIF", "WEBP", "PNG", "AVIF"})
"""Formats whose frames follow in time."""
_NEW_SUBFILE_TYPE, _REDUCED, _MASK = 254, 1, 4  # of TIFF


def is_animated(image: Image) -> bool:
    """Returns whether an opened picture has frames that follow in time."""
    return image.format in _IN_TIME and num_frames(image) > 1


def num_frames(image: Any) -> int:
    """Returns how many frames an opened picture shows one after the other."""
    return int(getattr(image, "n_frames", 1)) - first_frame(image)


def first_frame(image: Any) -> int:
    """Returns the number of the first frame.

    It is 1 for a PNG whose first picture is for programs without animations alone.
    """
    return int(bool(getattr(image, "default_image", False)))


def note_of_others(image: Any) -> str:
    """Returns what is to be said of frames and pages that are left out, or "".

    Args:
        image: An opened picture; it is at its first frame afterwards.
    """
    try:
        if is_animated(image):
            return (
                f"only the first of its {num_frames(image)} frames is taken; "
                "`styleflax video` stylizes them all"
            )
        pages = _num_pages(image) if image.format == "TIFF" else 1
    except Exception:  # what is damaged behind the first picture does not spoil it
        return ""
    if pages == 1:
        return ""
    return (
        f"only the first of its {pages} pages is taken; split it to take all, for "
        "example by `magick a.tif page_%d.tif`"
    )


def _num_pages(image: Any) -> int:
    """Pages of a TIFF file that are no smaller copies and no masks of others."""
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

# Tag numbers of CIPA DC-008 (Exif 3.0), section 4.6. What describes the taking of
# the photograph is kept; what describes how the pixels lie in the file is not,
# which in a TIFF file stands in the same list.
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
# The maker's note points into the old file; the sizes and the interoperability
# list are the old picture's.
_DROPPED_OF_PHOTO = frozenset({0x927C, 0xA002, 0xA003, 0xA005})


def retained_exif(image: Image) -> bytes | None:
    """Returns the EXIF block for a picture made from this one, or None.

    The new block says that the picture is upright. The thumbnail (it shows the
    old picture), the maker's note and all that describes the old file's pixels
    are left out; the place (GPS) is in it.

    Args:
        image: An opened Pillow picture; it need not be decoded.

    Raises:
        Exception: Whatever Pillow raises on a damaged block.
    """
    given = image.getexif()
    kept = {tag: value for tag, value in given.items() if tag in _KEPT}
    photo = _without(given.get_ifd(_EXIF_IFD), _DROPPED_OF_PHOTO)
    place = dict(given.get_ifd(_GPS_IFD))
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
_FIXED_DATE = b"\x07\xd0\0\x01\0\x01\0\0\0\0\0\0"  # the beginning of the year 2000


def convert_to_srgb(color: Image, profile: bytes) -> Image:
    """Returns a picture's colors as sRGB, in mode RGB.

    White stays white and black black (relative colorimetric with black point
    compensation), as editors of photographs do it.

    Args:
        color: Mode L, RGB or CMYK; one that fits the profile.
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
    assert converted is not None  # it is where inPlace is not asked for
    converted.info.pop("icc_profile", None)
    return converted


@functools.cache
def srgb_profile() -> bytes:
    """Returns an ICC profile of sRGB, the same bytes at every call."""
    made = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    made[_CREATION_DATE] = _FIXED_DATE
    return bytes(made)


class Picture(NamedTuple):
    """A decoded picture, upright and in sRGB.

    Attributes:
        rgb_u8: Its colors, not yet mixed with any background; white where
            nothing can be seen of them.
        alpha_u8: Its opacity, 255 where it is opaque; None where it is everywhere.
        exif: The EXIF block for pictures made from it, see `retained_exif`.
        icc_profile: That of sRGB if the file named its colors, else None.
        mode: Pillow's mode of the file, as "CMYK".
        format: Pillow's name of the format, as "TIFF"; "" if it was in memory.
        notes: What had to be ignored, one line each.
    """

    rgb_u8: UInt8[np.ndarray, "h w 3"]
    alpha_u8: UInt8[np.ndarray, "h w"] | None = None
    exif: bytes | None = None
    icc_profile: bytes | None = None
    mode: str = "RGB"
    format: str = ""
    notes: tuple[str, ...] = ()

    def on_white(self) -> UInt8[np.ndarray, "h w 3"]:
        """The picture without transparency, on white paper."""
        if self.alpha_u8 is None:
            return self.rgb_u8
        height, width = self.alpha_u8.shape
        paper = PillowImage.new("RGBA", (width, height), "white")
        paper.alpha_composite(
            PillowImage.fromarray(np.dstack([self.rgb_u8, self.alpha_u8]), "RGBA")
        )
        return np.asarray(paper.convert("RGB"))

    def without_metadata(self) -> "Picture":
        """The picture without EXIF block and profile."""
        return self._replace(exif=None, icc_profile=None)


def read_picture(
    source: Encoded | Image,
    *,
    max_megapixels: float = MAX_MEGAPIXELS,
    min_side_px: int = MIN_SIDE_PX,
) -> Picture:
    """Returns a picture from a file, from encoded data, or as Pillow has it.

    JPEG, PNG, WebP, TIFF, BMP, PPM, GIF, AVIF (where Pillow reads it) and HEIC (with
    the extra `heif`), of any mode and depth; of several frames the first, and `notes`
    say so. The colors are converted to sRGB if a profile says that they are others.

    Args:
        source: A path, bytes, an open binary file, or a Pillow picture.
        max_megapixels: Larger pictures are refused before anything is decoded.
        min_side_px: Pictures with a shorter side are refused.

    Raises:
        FileNotFoundError: There is no such file.
        ImageError: Not a picture, damaged, too small or too large.
        NotEnoughMemoryError: Its pixels do not fit into free memory.
        ValueError: `source` is none of these.
    """
    if isinstance(source, Image):
        return _read(source, "the picture")
    with warnings.catch_warnings():
        # Pillow's own remarks on odd files; what matters of them is in `notes`.
        warnings.simplefilter("ignore")
        with open_image(
            source, max_megapixels=max_megapixels, min_side_px=min_side_px
        ) as image:
            return _read(image, source_name(source))


def other_frames(source: Encoded) -> str:
    """Returns what to say of frames and pages that nothing is made of, or "".

    Only headers are read. Complements `load_rgb`, which returns no notes.

    Args:
        source: A path, bytes, or an open binary file; "" if it is no picture.
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
        exif = _exif(image, notes)  # Pillow changes a TIFF file's in decoding
        if others := note_of_others(image):
            notes.append(others)
        image.load()
        orientation = exif_orientation(image)  # after it, see pixels.upright_rgb
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
    """The colors as sRGB, and sRGB's profile if the file had a usable one."""
    if profile:
        try:
            return convert_to_srgb(color, profile), srgb_profile()
        except MemoryError:
            raise
        except Exception as error:  # a broken profile does not spoil the pixels
            notes.append(f"the color profile is ignored: {one_line(error)}")
    return color.convert("RGB"), None
