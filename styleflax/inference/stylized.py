"""What a stylizer returns."""

import os

import numpy as np
from jaxtyping import Float, UInt8
from PIL import Image as PillowImage

from styleflax.images.files import save_image
from styleflax.images.pixels import to_u8
from styleflax.inference.masks.layout import row_bands


class Stylized:
    """A stylized picture, or a batch of them.

    Attributes:
        array: Float32 RGB in [0, 1], shape (h, w, 3) or (b, h, w, 3).
    """

    def __init__(self, array: Float[np.ndarray, "... h w 3"]) -> None:
        self.array = array

    def to_pillow(self) -> PillowImage.Image:
        """The picture as Pillow has it.

        Raises:
            ValueError: If this is a batch.
        """
        return PillowImage.fromarray(rounded(self._single()))

    def save(self, path: str | os.PathLike[str]) -> None:
        """Writes the picture; the suffix names the format.

        Raises:
            ValueError: If this is a batch, or the suffix is unknown.
            OSError: If the file cannot be written.
        """
        save_image(rounded(self._single()), path)

    def _single(self) -> np.ndarray:
        if self.array.ndim != 3:
            raise ValueError(
                f"save requires one image, got a batch of {len(self.array)}; use one "
                "of .array"
            )
        return self.array


def rounded(image: Float[np.ndarray, "h w 3"]) -> UInt8[np.ndarray, "h w 3"]:
    """A picture in 8 bits; by bands, as `to_u8` takes five times a picture's memory."""
    made_u8 = np.empty(image.shape, np.uint8)
    for first, last in row_bands(*image.shape[:2]):
        made_u8[first:last] = to_u8(image[first:last])
    return made_u8
