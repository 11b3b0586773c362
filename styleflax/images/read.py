"""Pictures with all that a picture made from them should have: alpha, EXIF, ICC."""

import warnings
from typing import NamedTuple

import numpy as np
from jaxtyping import UInt8
from PIL import Image as PillowImage
from PIL.Image import Image

from styleflax.images.color_profile import convert_to_srgb, srgb_profile
from styleflax.images.decoding import (
    MAX_MEGAPIXELS,
    MIN_SIDE_PX,
    Encoded,
    decoding,
    one_line,
    open_image,
    source_name,
)
from styleflax.images.frames import note_of_others
from styleflax.images.metadata import kept_exif
from styleflax.images.pixels import colour_and_alpha, exif_orientation, turned_upright


class Picture(NamedTuple):
    """A decoded picture, upright and in sRGB.

    Attributes:
        rgb_u8: Its colours, not yet mixed with any background; white where
            nothing can be seen of them.
        alpha_u8: Its opacity, 255 where it is opaque; None where it is everywhere.
        exif: The EXIF block for pictures made from it, see `metadata.kept_exif`.
        icc_profile: That of sRGB if the file named its colours, else None.
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
    say so. The colours are converted to sRGB if a profile says that they are others.

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
        colour, alpha = colour_and_alpha(image)
        profile = image.info.get("icc_profile")
        rgb, profile = _srgb(colour, profile, notes)
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
        return kept_exif(image)
    except MemoryError:
        raise
    except Exception as error:  # a broken EXIF block does not spoil the pixels
        notes.append(f"the EXIF block is ignored: {one_line(error)}")
        return None


def _srgb(
    colour: Image, profile: bytes | None, notes: list[str]
) -> tuple[Image, bytes | None]:
    """The colours as sRGB, and sRGB's profile if the file had a usable one."""
    if profile:
        try:
            return convert_to_srgb(colour, profile), srgb_profile()
        except MemoryError:
            raise
        except Exception as error:  # a broken profile does not spoil the pixels
            notes.append(f"the colour profile is ignored: {one_line(error)}")
    return colour.convert("RGB"), None
