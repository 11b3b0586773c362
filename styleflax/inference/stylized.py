"""What a stylizer returns."""

import os

import numpy as np
from jaxtyping import Float
from PIL import Image as PillowImage

from styleflax.data.images import save_image
from styleflax.data.pixels import to_u8


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
        return PillowImage.fromarray(to_u8(self._single()))

    def save(self, path: str | os.PathLike[str]) -> None:
        """Writes the picture; the suffix names the format.

        Raises:
            ValueError: If this is a batch, or the suffix is unknown.
            OSError: If the file cannot be written.
        """
        save_image(self._single(), path)

    def _single(self) -> np.ndarray:
        if self.array.ndim != 3:
            raise ValueError(
                f"a batch of {len(self.array)} pictures: take one of .array"
            )
        return self.array
