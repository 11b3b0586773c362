"""Which way up a video's frames are."""

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from jaxtyping import UInt8

if TYPE_CHECKING:
    from av import VideoFrame


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
