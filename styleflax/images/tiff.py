"""Reading TIFF files whose layout Pillow does not read or misreads, by tifffile.

These are files with float, signed or 32-bit integer samples, with uncompressed planes
of more than 8 bits, with gray of more than 8 bits whose 0 is white, and with more
channels than Pillow has modes for (TIFF 6.0, sections 3, 7, 8, 14 and 18).
"""

import contextlib
import io
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import UInt8
from PIL import Image as PillowImage
from PIL import ImageFile
from PIL.Image import Image

BEGINNINGS = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_BITS, _COMPRESSION, _PHOTOMETRIC, _PLANAR, _SAMPLE_FORMAT = 258, 259, 262, 284, 339
_ORIENTATION, _SUB_IFDS, _ICC_PROFILE, _DNG_VERSION = 274, 330, 34675, 50706
_NEW_SUBFILE_TYPE = 254
_UNCOMPRESSED, _SEPARATE = 1, 2
_UNSIGNED = 1
_WHITE_IS_0, _BLACK_IS_0, _RGB, _SEPARATED = 0, 1, 2, 5
_COLORS = {_WHITE_IS_0: 1, _BLACK_IS_0: 1, _RGB: 3, _SEPARATED: 4}
"""Number of color channels by photometric interpretation."""
_ASSOCIATED, _UNASSOCIATED = 1, 2
_MAX_RATIO = 1100
"""Largest number of bytes that Deflate can decode from one byte."""
_MAX_TILE_PX = 2**22
_MODES = {1: "L", 3: "RGB", 4: "CMYK"}
_SHARE_IN_RANGE = 0.99
"""Floats count as being in [0, 1] if this share of them is."""


class UnreadLayoutError(ValueError):
    """Raised for an unsupported layout; the message says what to do."""

    def __init__(self, reason: str) -> None:
        super().__init__(
            f"a TIFF file with {reason}, which is not read: save it as RGB of 8 or 16 "
            "bits, for example by `magick a.tif -depth 16 b.tif`"
        )


def is_raw(tags: Any) -> bool:
    """Returns whether tags are those of a camera's raw file, or of its preview.

    Args:
        tags: Values of tags of the first image, by number.
    """
    is_preview = bool(tags.get(_NEW_SUBFILE_TYPE, 0) & 1) and _SUB_IFDS in tags
    return _DNG_VERSION in tags or is_preview


def is_misread(image: Any) -> bool:
    """Returns whether Pillow would misread an opened TIFF file."""
    tags = image.tag_v2
    is_deep = max(tags.get(_BITS, (1,))) > 8
    is_plain = set(tags.get(_SAMPLE_FORMAT, (_UNSIGNED,))) == {_UNSIGNED}
    is_packed = tags.get(_COMPRESSION, _UNCOMPRESSED) != _UNCOMPRESSED
    # Pillow reads these as interleaved pixels, with bytes swapped twice, or inverted.
    in_planes = is_deep and tags.get(_PLANAR) == _SEPARATE and not is_packed
    swapped = tags.prefix == b"MM" and is_packed and not is_plain
    return in_planes or swapped or (is_deep and tags.get(_PHOTOMETRIC) == _WHITE_IS_0)


class SampledTiff(ImageFile.StubImageFile):
    """A Pillow image of a TIFF file that tifffile decodes on loading.

    Args:
        source: The file or its bytes.

    Raises:
        UnreadLayoutError: If the layout is not supported.
        Exception: Any exception of tifffile for a damaged file.
    """

    format = "TIFF"

    def __init__(self, source: Path | bytes) -> None:
        self._source = source
        super().__init__(io.BytesIO(b""))

    def _open(self) -> None:
        with _first_page(self._source) as page:
            _check_layout(page)
            _check_claims(page, _num_bytes(self._source))
            self._size = page.imagewidth, page.imagelength
            self._mode = _MODES[_COLORS[int(page.photometric)]]
            self.tags: dict[int, Any] = {tag.code: tag.value for tag in page.tags}

    def _load(self) -> "SampledTiff":
        return self

    def load(self, _: object = None) -> Any:
        """Decodes the file, and turns this object into the decoded image."""
        with _first_page(self._source) as page:
            try:
                values = page.asarray()
            except ValueError as error:
                if "imagecodecs" in str(error):
                    raise UnreadLayoutError(_missing_codec(page)) from None
                raise
            decoded = _picture(page, values)
        decoded.info |= self.info
        if isinstance(profile := self.tags.get(_ICC_PROFILE), bytes):
            decoded.info["icc_profile"] = profile
        if orientation := self.tags.get(_ORIENTATION):
            decoded.getexif()[_ORIENTATION] = int(orientation)
        decoded.format = self.format
        self.__class__ = decoded.__class__  # type: ignore[assignment]
        self.__dict__ = decoded.__dict__
        return decoded.load()


@contextlib.contextmanager
def _first_page(source: Path | bytes) -> Iterator[Any]:
    import tifffile  # noqa: PLC0415  (of rare use)

    # Its warnings about unusual files would appear between the messages of commands.
    log = logging.getLogger("tifffile")
    before, log.disabled = log.disabled, True
    try:
        given = io.BytesIO(source) if isinstance(source, bytes) else source
        with tifffile.TiffFile(given) as file:
            yield file.pages.first
    finally:
        log.disabled = before


def _check_layout(page: Any) -> None:
    photometric = int(page.photometric)
    if photometric not in _COLORS:
        raise UnreadLayoutError(f"pixels of {page.photometric.name}")
    if page.dtype is None or np.dtype(page.dtype).kind not in "uif":
        raise UnreadLayoutError("samples that are neither integers nor floats")
    if page.imagedepth > 1:
        raise UnreadLayoutError(f"a depth of {page.imagedepth}")
    channels, colors = page.samplesperpixel, _COLORS[photometric]
    if not colors <= channels <= colors + 4:
        raise UnreadLayoutError(f"{channels} samples a pixel")


def _check_claims(page: Any, num_bytes: int) -> None:
    """Refuses a file whose declared size exceeds what its bytes can contain.

    Raises:
        ValueError: If the declared size is impossible.
    """
    area = page.imagewidth * page.imagelength
    window = page.tilewidth * page.tilelength if page.is_tiled else 0
    if window > max(area, _MAX_TILE_PX) or page.nbytes > num_bytes * _MAX_RATIO:
        raise ValueError("it says that it is larger than the file can hold")


def _missing_codec(page: Any) -> str:
    predictor = f" and predictor {page.predictor}" if page.predictor > 1 else ""
    return (
        f"compression {page.compression.name}{predictor} of {page.bitspersample}-bit "
        "samples (`pip install imagecodecs` adds it)"
    )


def _picture(page: Any, values: np.ndarray) -> Image:
    """Returns samples of any layout and type as a Pillow image of 8 bits."""
    height, width, channels = page.imagelength, page.imagewidth, page.samplesperpixel
    if page.planarconfig == _SEPARATE and channels > 1:
        samples = np.moveaxis(values.reshape(channels, height, width), 0, -1)
    else:
        samples = values.reshape(height, width, channels)
    num_colors = _COLORS[int(page.photometric)]
    colors = samples[..., :num_colors]
    extra = int(page.extrasamples[0]) if page.extrasamples else 0
    alpha = None
    if extra in {_ASSOCIATED, _UNASSOCIATED} and channels > num_colors:
        alpha = _as_share(samples[..., num_colors])
    if extra == _ASSOCIATED and alpha is not None:
        safe = np.maximum(alpha, np.finfo(np.float32).tiny)[..., None]
        limit = 1 if colors.dtype.kind == "f" else np.iinfo(colors.dtype).max
        straight = np.where(alpha[..., None] > 0, colors / safe, limit)
        colors = np.minimum(straight, limit).astype(colors.dtype)
    colors_u8 = samples_as_u8(colors)
    if page.photometric == _WHITE_IS_0:
        colors_u8 = 255 - colors_u8
    squeezed = colors_u8[..., 0] if num_colors == 1 else colors_u8
    picture = PillowImage.fromarray(np.ascontiguousarray(squeezed), _MODES[num_colors])
    if alpha is not None and num_colors != _COLORS[_SEPARATED]:
        alpha_u8 = np.rint(alpha * 255).astype(np.uint8)
        picture.putalpha(PillowImage.fromarray(alpha_u8))
    return picture


def _num_bytes(source: Path | bytes) -> int:
    return len(source) if isinstance(source, bytes) else source.stat().st_size


def _as_share(alpha: np.ndarray) -> np.ndarray:
    """Returns opacity as float32 in [0, 1]."""
    if alpha.dtype.kind == "f":
        return np.clip(np.nan_to_num(alpha), 0, 1).astype(np.float32)
    return np.clip(alpha / np.iinfo(alpha.dtype).max, 0, 1).astype(np.float32)


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
