"""Contact sheets: grids of images."""

from collections.abc import Sequence
from itertools import accumulate

import numpy as np
from jaxtyping import UInt8
from PIL import Image as PillowImage
from PIL import ImageDraw, ImageFont
from PIL.Image import Image, Resampling

from styleflax.images.files import to_u8

_CAPTION_PX = 14


def image_grid(
    rows: Sequence[Sequence[np.ndarray | None]],
    *,
    captions: Sequence[Sequence[str]] | None = None,
    cell_px: int = 256,
    gap_px: int = 4,
) -> UInt8[np.ndarray, "h w 3"]:
    """Returns images arranged in rows on white, each fitted into its cell.

    Args:
        rows: Arrays of shape (h, w, 3), uint8 or float in [0, 1], of any sizes;
            None leaves a cell empty; a row of None has only captions. Rows may differ
            in length.
        captions: A line of text below each image, in the same rows.
        cell_px: Side of the square into which each image is fitted; smaller images are
            enlarged. The height of a row is that of its tallest image.
        gap_px: Width of the gaps between cells and around them in px.

    Raises:
        ValueError: If there is nothing to show, or a picture of another shape.

    Example:
        >>> import numpy as np
        >>> image = np.zeros((8, 8, 3), np.uint8)
        >>> image_grid([[image, image]], cell_px=16).shape[2]
        3
    """
    num_columns = max((len(row) for row in rows), default=0)
    if num_columns == 0:
        raise ValueError("rows must have at least one image, got none")
    caption_px = 0 if captions is None else _CAPTION_PX + 4
    fitted = [
        [None if image is None else _fit(image, cell_px) for image in row]
        for row in rows
    ]
    heights = [
        max((image.height for image in row if image is not None), default=0)
        for row in fitted
    ]
    pitch_x = cell_px + gap_px
    pitches_y = [height + caption_px + gap_px for height in heights]
    tops = list(accumulate(pitches_y, initial=gap_px))
    sheet = PillowImage.new("RGB", (num_columns * pitch_x + gap_px, tops[-1]), "white")
    for top, height, row in zip(tops, heights, fitted, strict=False):
        for x, image in enumerate(row):
            if image is not None:
                left = gap_px + x * pitch_x + (cell_px - image.width) // 2
                sheet.paste(image, (left, top + (height - image.height) // 2))
    for top, height, texts in zip(tops, heights, captions or (), strict=False):
        for x, text in enumerate(texts):
            _write(sheet, text, (gap_px + x * pitch_x, top + height), cell_px)
    return np.asarray(sheet)


def _fit(image: np.ndarray, cell_px: int) -> Image:
    image = np.asarray(image)
    if image.ndim != 3 or image.shape[2] != 3:
        raise ValueError(f"every image must have shape (h, w, 3), got {image.shape}")
    picture = PillowImage.fromarray(np.ascontiguousarray(to_u8(image)))
    scale = cell_px / max(picture.size)
    width, height = (max(1, round(side * scale)) for side in picture.size)
    return picture.resize((width, height), Resampling.BICUBIC)


def _write(sheet: Image, text: str, corner: tuple[int, int], width_px: int) -> None:
    """Writes one line, truncated to the width of the cell."""
    draw = ImageDraw.Draw(sheet)
    font = ImageFont.load_default(_CAPTION_PX)
    while text and draw.textlength(text, font) > width_px:
        text = text[:-1]
    draw.text(corner, text, fill="black", font=font)
