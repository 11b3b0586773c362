"""What a photograph's EXIF block may hand on to a picture made from it."""

from typing import Any

from PIL import Image as PillowImage
from PIL.Image import Exif, Image

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


def kept_exif(image: Image) -> bytes | None:
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
