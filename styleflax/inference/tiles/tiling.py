"""Pictures of any size, exactly, through windows of one size.

Two passes: the first merges the moments of all windows, the second transfers and
decodes. Inside a window's program every layer refills what lies beyond the picture
(see `ops.extent`), and of its result only the core counts, which is far enough from
where the window ends and the picture does not. So there is no seam; memory depends on
the window; and a picture of a new size compiles nothing. The color step is a third
pass, over the pixels of the result (see `inference.color.matching`).
"""

import contextlib
import logging
import tempfile
from collections.abc import Callable, Iterator, Sequence

import numpy as np
from jaxtyping import Shaped

from styleflax.images.pixels import to_u8
from styleflax.inference.color.matching import match_by_bands
from styleflax.inference.model import Model
from styleflax.inference.render.sizes import in_teraflops, of_picture
from styleflax.inference.tiles.feature_cache import Features, KeptFeatures
from styleflax.inference.tiles.passes import Passes, begin_passes, encode_window
from styleflax.inference.tiles.windows import TILE_PX, Window, cut_windows
from styleflax.methods.base import Controls, Style, Tiling

logger = logging.getLogger(__name__)


def stylize_tiled(
    model: Model,
    content: Shaped[np.ndarray, "h w 3"],
    styles: Sequence[Style],
    controls: Controls,
    *,
    tile_px: int = TILE_PX,
    out: np.ndarray | None = None,
    announce: Callable[[str], None] = logger.warning,
    on_window: Callable[[int, int], None] | None = None,
) -> np.ndarray:
    """What `methods.base.stylize` gives, clipped, in memory for one window.

    Programs are compiled for each size of window when it is first used, each number of
    styles and of regions, and each size of what is kept of a style; not of picture.

    Args:
        model: Model of a method that can be tiled.
        content: A picture of any size, uint8 or float32 in [0, 1]; it may be mapped
            from a file.
        styles: As `Method.encode_style` made them.
        controls: Masks may be arrays of NumPy, mapped from files, or `LaidMasks`.
        tile_px: Side of a window, see `windows.check_tile`. Large ones take the least
            time, as margins are computed twice; small ones the least memory.
        out: Where to write, (h, w, 3), uint8 or float32 in [0, 1]; it may be mapped
            from a file. A new uint8 array by default. This is what is returned.
        announce: Told what it will cost if the content attends to itself (SANet
            below strength 1) in more than one window.
        on_window: Called with the number of windows done, and of all.

    Raises:
        ValueError: If the method needs whole pictures, or an argument is not as above.
    """
    tiling, out = _check(model, content, out)
    height, width, _ = content.shape
    windows = cut_windows(height, width, tile_px, tiling)

    def encode(index: int) -> Features:
        return encode_window(model, content, windows[index])

    with KeptFeatures(encode) as kept:
        passes = begin_passes(model, content, controls, windows, kept)
        moments = passes.moments()
        if passes.attends_to_itself() and len(windows) > 1:
            announce(_cost(passes))
        matching = controls.color_match is not None
        with _canvas(out, floats=matching) as canvas:
            for index, window in enumerate(windows):
                image = passes.image(index, moments, styles)
                _write(canvas, image if matching else image.clip(0.0, 1.0), window)
                if on_window is not None:
                    on_window(index + 1, len(windows))
            if matching:
                match_by_bands(canvas, out, styles, controls, passes.masks)
    return out


def _check(
    model: Model, content: np.ndarray, out: np.ndarray | None
) -> tuple[Tiling, np.ndarray]:
    tiling = model.method.tiling
    if tiling is None:
        raise ValueError(
            "the model's method processes whole images only and has no tiles"
        )
    shape, types = content.shape, (np.uint8, np.float32)
    if content.dtype not in types or len(shape) != 3 or shape[2] != 3 or 0 in shape:
        raise ValueError(
            f"content must be uint8 or float32 (h, w, 3), got {content.dtype} {shape}"
        )
    if out is None:
        out = np.empty(shape, np.uint8)
    if out.dtype not in types or out.shape != shape:
        raise ValueError(
            f"out must be uint8 or float32 and of shape {shape}, got {out.dtype} "
            f"{out.shape}"
        )
    return tiling, out


@contextlib.contextmanager
def _canvas(out: np.ndarray, *, floats: bool) -> Iterator[np.ndarray]:
    """Where windows are written: `out`, or a file of floats if 8 bits are too few."""
    if out.dtype != np.uint8 or not floats:
        yield out
        return
    with tempfile.TemporaryFile(prefix="styleflax-") as file:
        yield np.memmap(file, np.float32, "w+", shape=out.shape)


def _cost(passes: Passes) -> str:
    height, width, _ = passes.content.shape
    return (
        f"{of_picture(height, width)} in {len(passes.windows)} windows of "
        f"{passes.windows[0].side} px take {in_teraflops(passes.attention_flops())}"
    )


def _write(out: np.ndarray, image: np.ndarray, window: Window) -> None:
    rows, columns = (
        slice(span.begin - span.start, span.end - span.start)
        for span in (window.rows, window.columns)
    )
    target = out[
        window.rows.begin : window.rows.end, window.columns.begin : window.columns.end
    ]
    core = image[rows, columns]
    target[:] = to_u8(core) if out.dtype == np.uint8 else core
