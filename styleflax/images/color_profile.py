"""ICC profiles: what a file's numbers mean as colours, turned into sRGB."""

import functools
import io

from PIL import ImageCms
from PIL.Image import Image

_CREATION_DATE = slice(24, 36)  # ICC.1:2022, section 7.2, table 17
_FIXED_DATE = b"\x07\xd0\0\x01\0\x01\0\0\0\0\0\0"  # the beginning of the year 2000


def convert_to_srgb(colour: Image, profile: bytes) -> Image:
    """Returns a picture's colours as sRGB, in mode RGB.

    White stays white and black black (relative colorimetric with black point
    compensation), as editors of photographs do it.

    Args:
        colour: Mode L, RGB or CMYK; one that fits the profile.
        profile: An ICC profile.

    Raises:
        Exception: Whatever Pillow raises on a profile that is damaged, or made
            for another kind of colour.
    """
    converted = ImageCms.profileToProfile(
        colour,
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
