"""Regions at every pixel of a picture, band by band or window by window."""

import numpy as np
from jaxtyping import Float

from styleflax.inference.masks.cells import average_cells
from styleflax.inference.masks.layout import LaidMasks
from styleflax.inference.tiles.windows import Window


class PixelMasks:
    """`masks.rows(first, last)`: regions at the pixels of these rows.

    Args:
        masks: Masks of any height and width, or `LaidMasks` of the picture's.
        picture: Height and width of the picture, in px.
    """

    def __init__(
        self, masks: Float[np.ndarray, "r _ _"] | LaidMasks, picture: tuple[int, int]
    ) -> None:
        self._picture, self.num_regions = picture, masks.shape[0]
        if isinstance(masks, np.ndarray) and masks.shape[1:] != picture:
            masks = average_cells(masks, *picture) if self.num_regions > 1 else masks
        self._masks = masks

    def rows(self, first: int, last: int) -> Float[np.ndarray, "r n w"] | None:
        """The regions there; None for one region, which is everywhere."""
        return None if self.num_regions == 1 else self._masks[:, first:last]

    def mixed(
        self, values: Float[np.ndarray, " r"], window: Window
    ) -> Float[np.ndarray, "side side 1"] | Float[np.ndarray, "1 1 1"]:
        """Numbers of the regions, mixed at every pixel of a window; 0 beyond."""
        top, left, side = window.rows.start, window.columns.start, window.side
        masks = self.rows(top, min(top + side, self._picture[0]))
        if masks is None:
            return values.reshape(1, 1, 1)
        part = np.tensordot(values, masks[:, :, left : left + side], 1)
        mixed = np.zeros((side, side, 1), np.float32)
        mixed[: part.shape[0], : part.shape[1], 0] = part
        return mixed
