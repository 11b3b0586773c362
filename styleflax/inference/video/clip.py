"""What all readers of videos share, and which way up frames are."""

from collections.abc import Iterator, Sequence
from fractions import Fraction
from types import TracebackType
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, Self

import numpy as np
from jaxtyping import UInt8

from styleflax.inference.video.colorspace import ColorTags

if TYPE_CHECKING:
    from av import Packet, VideoFrame


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
