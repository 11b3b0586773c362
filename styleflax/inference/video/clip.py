"""What readers of videos share: frames, clips, which way up they are, their colors."""

from collections.abc import Iterator, Sequence
from fractions import Fraction
from types import TracebackType
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, Self

import numpy as np
from jaxtyping import UInt8

if TYPE_CHECKING:
    from av import Packet, VideoFrame


_RGB, _BT709, _UNSPECIFIED, _BT601, _BT2020 = 0, 1, 2, 6, 9
# swscale's names of matrices, by those codes. 10 is BT.2020 with constant luminance,
# which swscale does not know; 9 comes closest.
_MATRICES = {1: "ITU709", 4: "FCC", 5: "ITU601", 6: "ITU601", 7: "SMPTE240M"}
_MATRICES |= {9: "BT2020", 10: "BT2020"}
_HD_WIDTH, _SD_HEIGHT = 1280, 576
_LIMITED, _FULL = 1, 2  # libav's AVCOL_RANGE_MPEG and _JPEG
_HDR_CURVES = frozenset({16, 18})  # PQ and HLG, of the same standard


class ColorTags(NamedTuple):
    """What a video says of its colors, as codes of ITU-T H.273.

    Attributes:
        matrix: Between RGB and YCbCr.
        primaries: What its red, green and blue are.
        curve: From its numbers to light.
    """

    matrix: int
    primaries: int
    curve: int

    @property
    def is_hdr(self) -> bool:
        """Whether numbers mean far more light than those of photographs."""
        return self.curve in _HDR_CURVES


RGB_TAGS = ColorTags(_BT709, _UNSPECIFIED, _UNSPECIFIED)
"""Color space of clips that are not videos, whose frames are RGB."""


def tags_of(frame: "VideoFrame") -> ColorTags:
    """The tags of a frame; a matrix is always told.

    Where the file names none it is that of BT.709 for what is at least 1280 px wide
    or more than 576 px high, and of BT.601 below, as players have it. For frames
    that are RGB it is BT.709, in which they will be written.
    """
    matrix = int(frame.colorspace)
    if frame.format.is_rgb or matrix == _RGB:
        matrix = _BT709
    elif matrix not in _MATRICES:
        is_hd = frame.width >= _HD_WIDTH or frame.height > _SD_HEIGHT
        matrix = _BT709 if is_hd else _BT601
    return ColorTags(matrix, int(frame.color_primaries), int(frame.color_trc))


def to_rgb(frame: "VideoFrame", width: int, height: int) -> UInt8[np.ndarray, "h w 3"]:
    """A decoded frame in RGB of 8 bits, resized if need be; transparency on white."""
    from av.video.reformatter import Colorspace  # noqa: PLC0415

    matrix = Colorspace[_MATRICES[tags_of(frame).matrix]]
    sees_through = _has_alpha(frame)
    made = frame.reformat(
        width,
        height,
        "rgba" if sees_through else "rgb24",
        src_colorspace=matrix,
        interpolation=_careful(),
    ).to_ndarray()
    if not sees_through:
        return made
    alpha = made[..., 3:].astype(np.uint16)
    on_white = made[..., :3] * alpha + 255 * (255 - alpha)
    return np.asarray((on_white + 127) // 255, np.uint8)


def from_rgb(
    rgb_u8: UInt8[np.ndarray, "h w 3"], tags: ColorTags, pixel_format: str
) -> "VideoFrame":
    """A frame of YCbCr in limited range, by the matrix that the tags name."""
    from av import VideoFrame  # noqa: PLC0415
    from av.video.reformatter import ColorRange, Colorspace  # noqa: PLC0415

    frame = VideoFrame.from_ndarray(np.ascontiguousarray(rgb_u8), format="rgb24")
    return frame.reformat(
        format=pixel_format,
        dst_colorspace=Colorspace[_MATRICES[tags.matrix]],
        src_color_range=ColorRange.JPEG,
        dst_color_range=ColorRange.MPEG,
        interpolation=_careful(),
    )


def tag(codec_context: Any, tags: ColorTags) -> None:
    """Says in a stream to be encoded what its colors are."""
    codec_context.colorspace = tags.matrix
    codec_context.color_range = _LIMITED
    codec_context.color_primaries = tags.primaries
    codec_context.color_trc = tags.curve


def _has_alpha(frame: "VideoFrame") -> bool:
    # A palette's entries have an opacity each.
    found = any(component.is_alpha for component in frame.format.components)
    return found or frame.format.has_palette


def _careful() -> Any:
    """The slower ways of swscale, without which grays get a tint and colors bleed."""
    from av.video.reformatter import Interpolation  # noqa: PLC0415

    flags = Interpolation.ACCURATE_RND | Interpolation.FULL_CHR_H_INT
    return Interpolation.BICUBIC | Interpolation.FULL_CHR_H_INP | flags


class Frame(NamedTuple):
    """A frame as it is to be seen.

    Attributes:
        rgb_u8: Upright.
        pts: When it is shown, in units of the reader's `time_base`; they rise.
        duration: How long, in the same units; 0 where the file does not say.
    """

    rgb_u8: UInt8[np.ndarray, "h w 3"]
    pts: int
    duration: int


class Closing:
    """What a `with` block closes at its end."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Closes what is open; nothing is, unless a class says otherwise."""


class Clip(Protocol):
    """Frames in order, and between them packets of sound.

    Attributes:
        time_base: The unit of times, in seconds.
        rate: Frames in a second, on the average.
        num_frames: About how many there are, or None.
        audio: The streams of sound.
        width: Width of upright frames, in px.
        height: Height of upright frames, in px.
        aspect: Width over height of an upright pixel.
        colors: What the file says of its colors.
        num_damaged: Parts so far that could not be decoded.
        notes: What is to be said of it, one line each.
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
    """What writes the frames of a clip.

    Attributes:
        sound: What became of every stream.
        size: Width and height as written, in px.
        notes: What is not as in the frames, one line each.
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
    """How a frame is turned to be upright: first transposed, then flipped.

    Attributes:
        transposed: Whether rows and columns change places.
        flips: Steps along rows and columns, 1 or -1.
    """

    transposed: bool
    flips: tuple[int, int]

    def apply(self, image: UInt8[np.ndarray, "h w 3"]) -> UInt8[np.ndarray, "_ _ 3"]:
        """The picture, turned."""
        image = image.swapaxes(0, 1) if self.transposed else image
        return np.ascontiguousarray(image[:: self.flips[0], :: self.flips[1]])


def turn_of(frame: "VideoFrame") -> Turn:
    """From the file's display matrix: x' = a x + c y, y' = b x + d y."""
    side_data: Any = frame.side_data
    for data in side_data:
        if data.type.name == "DISPLAYMATRIX":
            a, b, _, c, d = (int(v) for v in np.frombuffer(bytes(data)[:20], "=i4"))
            transposed = abs(b) > abs(a)
            right, down = (c, b) if transposed else (a, d)
            return Turn(transposed, (-1 if down < 0 else 1, -1 if right < 0 else 1))
    return Turn(False, (1, 1))


# Codes of ITU-T H.273, which libav uses: of the matrix between RGB and YCbCr.
