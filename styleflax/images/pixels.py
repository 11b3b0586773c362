"""Conversion of pixels: any Pillow mode to 8-bit RGB, and 8 bits to floats and back."""

from collections.abc import Iterator

import numpy as np
from jaxtyping import Float, UInt8
from PIL import Image as PillowImage
from PIL.Image import Image, Transpose

BAND_PX = 2**20
"""Number of pixels processed at a time."""
_EXIF_ORIENTATION = 0x0112
_SHARE_IN_RANGE = 0.99
"""Floats count as being in [0, 1] if this share of them is."""

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
    except Exception:  # the pixels are valid even if the EXIF block is damaged
        return 1
    return orientation if orientation in _UPRIGHT else 1


def is_plain_rgb(image: Image) -> bool:
    """Returns whether the image is upright, opaque, 8-bit RGB without conversion."""
    return (
        image.mode == "RGB"
        and not image.has_transparency_data
        and exif_orientation(image) == 1
    )


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
    if image.mode.startswith("I") or image.mode == "F":
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
    if image.mode.startswith("I"):
        return _gray_as_rgb(_deep_as_u8(np.asarray(image)))
    if image.mode == "F":
        return _gray_as_rgb(samples_as_u8(np.asarray(image)))
    if image.mode == "La":  # premultiplied; Pillow converts it to LA only
        image = image.convert("LA")
    if image.has_transparency_data:
        opaque = PillowImage.new("RGBA", image.size, "white")
        opaque.alpha_composite(image.convert("RGBA"))
        return opaque.convert("RGB")
    return image.convert("RGB")


def _gray_as_rgb(gray_u8: np.ndarray) -> Image:
    return PillowImage.fromarray(gray_u8).convert("RGB")


def samples_as_u8(samples: np.ndarray) -> UInt8[np.ndarray, "*shape"]:
    """Returns samples of any number type as 8 bits, all scaled equally.

    Args:
        samples: Samples of any shape. Integers of 8 bits are unchanged, those of 16
            bits are divided by 257. Floats are interpreted as [0, 1] and clipped if
            99 % of them are at most 1, else as [0, 255]. If samples are below 0, or
            above 16 bits or 255, all are stretched from the least to the greatest.
    """
    if samples.dtype == np.uint8:
        return samples
    if samples.dtype.kind in "ui":
        return _deep_as_u8(samples)
    values = np.nan_to_num(samples.astype(np.float64))
    if values.min() >= 0 and np.quantile(values, _SHARE_IN_RANGE) <= 1:
        return np.rint(np.minimum(values, 1) * 255).astype(np.uint8)
    if values.min() < 0 or values.max() > 255:
        return _stretched(values)
    return np.rint(values).astype(np.uint8)


def _deep_as_u8(samples: np.ndarray) -> np.ndarray:
    """Returns integers of 16 bits scaled to 8; larger values are stretched."""
    values = samples.astype(np.float64)
    if values.min() < 0 or values.max() > 65535:
        return _stretched(values)
    return np.rint(values / 257.0).astype(np.uint8)  # 65535 = 255 * 257


def _stretched(values: np.ndarray) -> np.ndarray:
    low, high = values.min(), values.max()
    return np.rint((values - low) * (255 / max(high - low, 1e-12))).astype(np.uint8)


def to_float(image_u8: UInt8[np.ndarray, "*shape"]) -> Float[np.ndarray, "*shape"]:
    """Returns 8-bit values as float32 in [0, 1]."""
    return image_u8.astype(np.float32) / np.float32(255)


def to_u8(image: np.ndarray) -> UInt8[np.ndarray, "*shape"]:
    """Returns floats as 8-bit values: clipped to [0, 1], scaled, rounded.

    Args:
        image: Array of any shape; uint8 is returned unchanged.

    Raises:
        ValueError: If values are not finite, or the type is neither float nor uint8.
    """
    if image.dtype == np.uint8:
        return image
    # NumPy does not count bfloat16 as a float, so the other types are tested.
    if image.dtype == np.bool_ or np.issubdtype(image.dtype, np.integer):
        raise ValueError(f"image must have dtype uint8 or float, got {image.dtype}")
    values = image.astype(np.float32)
    if not np.isfinite(values).all():
        raise ValueError("image must be finite, got NaN or an infinity")
    return np.rint(np.clip(values, 0, 1) * np.float32(255)).astype(np.uint8)


def row_bands(height: int, width: int) -> Iterator[tuple[int, int]]:
    """Yields the first row and the end (exclusive) of every band of an image."""
    step = max(1, BAND_PX // width)
    for first in range(0, height, step):
        yield first, min(first + step, height)
