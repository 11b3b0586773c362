"""Records and protocols of video frames and clips: rotation, color tags, frames."""

from collections.abc import Iterator, Sequence
from fractions import Fraction
from types import TracebackType
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, Self

import numpy as np
from jaxtyping import UInt8

if TYPE_CHECKING:
    from av import Packet, VideoFrame


# Codes of ITU-T H.273 for the matrix between RGB and YCbCr, as in libav.
_RGB, _BT709, _UNSPECIFIED, _BT601, _BT2020 = 0, 1, 2, 6, 9
# swscale's names of the matrices, by these codes. 10 is BT.2020 with constant
# luminance, which swscale does not know; 9 comes closest.
_MATRICES = {1: "ITU709", 4: "FCC", 5: "ITU601", 6: "ITU601", 7: "SMPTE240M"}
_MATRICES |= {9: "BT2020", 10: "BT2020"}
_HD_WIDTH, _SD_HEIGHT = 1280, 576
_LIMITED, _FULL = 1, 2  # libav's AVCOL_RANGE_MPEG and _JPEG
_HDR_CURVES = frozenset({16, 18})  # PQ and HLG, of the same standard


class ColorTags(NamedTuple):
    """Color tags of a video, as codes of ITU-T H.273.

    Attributes:
        matrix: Matrix between RGB and YCbCr.
        primaries: Primaries, which define red, green and blue.
        curve: Transfer characteristics, from coded values to light.
    """

    matrix: int
    primaries: int
    curve: int

    @property
    def is_hdr(self) -> bool:
        """Whether the transfer curve is one of high dynamic range (PQ or HLG)."""
        return self.curve in _HDR_CURVES


RGB_TAGS = ColorTags(_BT709, _UNSPECIFIED, _UNSPECIFIED)
"""Color space of clips that are not videos, whose frames are RGB."""


def tags_of(frame: "VideoFrame") -> ColorTags:
    """Returns the color tags of a frame, always with a matrix.

    If the file names no matrix, frames that are at least 1280 px wide or more than
    576 px high use BT.709, and smaller ones BT.601, as in players. RGB frames use
    BT.709, with which they are written.
    """
    matrix = int(frame.colorspace)
    if frame.format.is_rgb or matrix == _RGB:
        matrix = _BT709
    elif matrix not in _MATRICES:
        is_hd = frame.width >= _HD_WIDTH or frame.height > _SD_HEIGHT
        matrix = _BT709 if is_hd else _BT601
    return ColorTags(matrix, int(frame.color_primaries), int(frame.color_trc))


def to_rgb(frame: "VideoFrame", width: int, height: int) -> UInt8[np.ndarray, "h w 3"]:
    """Returns a decoded frame as 8-bit RGB of a given size, on a white background."""
    from av.video.reformatter import Colorspace  # noqa: PLC0415

    matrix = Colorspace[_MATRICES[tags_of(frame).matrix]]
    has_alpha = _has_alpha(frame)
    pixels_u8 = frame.reformat(
        width,
        height,
        "rgba" if has_alpha else "rgb24",
        src_colorspace=matrix,
        interpolation=_accurate(),
    ).to_ndarray()
    if not has_alpha:
        return pixels_u8
    alpha = pixels_u8[..., 3:].astype(np.uint16)
    on_white = pixels_u8[..., :3] * alpha + 255 * (255 - alpha)
    return np.asarray((on_white + 127) // 255, np.uint8)


def from_rgb(
    rgb_u8: UInt8[np.ndarray, "h w 3"], tags: ColorTags, pixel_format: str
) -> "VideoFrame":
    """Returns a YCbCr frame in limited range, by the matrix of the tags."""
    from av import VideoFrame  # noqa: PLC0415
    from av.video.reformatter import ColorRange, Colorspace  # noqa: PLC0415

    frame = VideoFrame.from_ndarray(np.ascontiguousarray(rgb_u8), format="rgb24")
    return frame.reformat(
        format=pixel_format,
        dst_colorspace=Colorspace[_MATRICES[tags.matrix]],
        src_color_range=ColorRange.JPEG,
        dst_color_range=ColorRange.MPEG,
        interpolation=_accurate(),
    )


def tag(codec_context: Any, tags: ColorTags) -> None:
    """Sets the color tags of a stream before it is encoded."""
    codec_context.colorspace = tags.matrix
    codec_context.color_range = _LIMITED
    codec_context.color_primaries = tags.primaries
    codec_context.color_trc = tags.curve


def _has_alpha(frame: "VideoFrame") -> bool:
    # Each entry of a palette has an opacity.
    has_channel = any(component.is_alpha for component in frame.format.components)
    return has_channel or frame.format.has_palette


def _accurate() -> Any:
    """Returns swscale's slower flags, without which grays get a tint."""
    from av.video.reformatter import Interpolation  # noqa: PLC0415

    flags = Interpolation.ACCURATE_RND | Interpolation.FULL_CHR_H_INT
    return Interpolation.BICUBIC | Interpolation.FULL_CHR_H_INP | flags


class Frame(NamedTuple):
    """A decoded frame.

    Attributes:
        rgb_u8: The upright image.
        pts: Presentation time, in units of the reader's `time_base`; it increases
            from frame to frame.
        duration: Duration in the same units; 0 if the file does not give it.
    """

    rgb_u8: UInt8[np.ndarray, "h w 3"]
    pts: int
    duration: int


class Closing:
    """A context manager that calls `close` at the end of the `with` block."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Closes open files; does nothing unless a class overrides it."""


class Clip(Protocol):
    """A source of frames in order, with packets of sound between them.

    Attributes:
        time_base: The unit of times, in seconds.
        rate: Average number of frames per second.
        num_frames: Approximate number of frames; None if unknown.
        audio: The streams of sound.
        width: Width of upright frames, in px.
        height: Height of upright frames, in px.
        aspect: Ratio of width to height of an upright pixel.
        colors: Color tags of the file.
        num_damaged: Number of parts so far that could not be decoded.
        notes: Messages for the user about the clip, one line each.
    """

    time_base: Fraction
    rate: Fraction
    num_frames: int | None
    audio: Sequence[Any]
    width: int
    height: int
    aspect: Fraction
    colors: ColorTags
    num_damaged: int
    notes: Sequence[str]

    def __enter__(self) -> Self: ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None: ...

    def __iter__(self) -> "Iterator[Frame | Packet]": ...


class ClipWriter(Protocol):
    """A writer of the frames of a clip.

    Attributes:
        sound: For each stream of sound, how it was written.
        size: Width and height as written, in px.
        notes: Differences from the frames, one line each.
    """

    sound: list[str]
    size: tuple[int, int]
    notes: list[str]

    def __enter__(self) -> Self: ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None: ...

    def write(self, rgb_u8: UInt8[np.ndarray, "h w 3"], frame: Frame) -> None:
        """Adds a frame."""

    def copy(self, packet: "Packet") -> None:
        """Adds a packet of sound."""


class Turn(NamedTuple):
    """How a frame is rotated to be upright: transposed first, then flipped.

    Attributes:
        transposed: Whether rows and columns are exchanged.
        flips: Steps along rows and columns, each 1 or -1.
    """

    transposed: bool
    flips: tuple[int, int]

    def apply(self, image: UInt8[np.ndarray, "h w 3"]) -> UInt8[np.ndarray, "_ _ 3"]:
        """Returns the rotated image."""
        image = image.swapaxes(0, 1) if self.transposed else image
        return np.ascontiguousarray(image[:: self.flips[0], :: self.flips[1]])


def turn_of(frame: "VideoFrame") -> Turn:
    """Returns the rotation in a display matrix: x' = a x + c y, y' = b x + d y."""
    side_data: Any = frame.side_data
    for data in side_data:
        if data.type.name == "DISPLAYMATRIX":
            a, b, _, c, d = (int(v) for v in np.frombuffer(bytes(data)[:20], "=i4"))
            transposed = abs(b) > abs(a)
            right, down = (c, b) if transposed else (a, d)
            return Turn(transposed, (-1 if down < 0 else 1, -1 if right < 0 else 1))
    return Turn(False, (1, 1))
