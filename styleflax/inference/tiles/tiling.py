"""Pictures of any size, exactly, through windows of one size.

Two passes: the first merges the moments of all windows, the second transfers and
decodes. Inside a window's program every layer refills what lies beyond the picture
(see `ops.spatial`), and of its result only the core counts, which is far enough from
where the window ends and the picture does not. So there is no seam; memory depends on
the window; and a picture of a new size compiles nothing. The color step is a third
pass, over the pixels of the result (see `inference.color`).
"""

import contextlib
import logging
import tempfile
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Shaped

from styleflax.compile_cache.jit import cached_jit
from styleflax.images.files import to_u8
from styleflax.inference.color import match_by_bands
from styleflax.inference.contents import ensure_float
from styleflax.inference.masks.layout import (
    Cells,
    PixelMasks,
    core_cells,
    layer_cells,
    window_cells,
)
from styleflax.inference.tiles.windows import (
    TILE_PX,
    FeatureCache,
    Features,
    Window,
    cut_windows,
    key_blocks,
)
from styleflax.methods.base import Controls, Found, Piece, Style, Tiling, at_strength_0
from styleflax.methods.model import Model, attends_to_itself, in_teraflops, of_picture
from styleflax.ops.attention import PartialAttention, merge_attention
from styleflax.ops.color_match import without_palettes
from styleflax.ops.spatial import Extent
from styleflax.ops.statistics import Moments, merge_moments

Function = Callable[..., Any]
LayerMoments = dict[str, Moments]


class Passes(NamedTuple):
    """A picture through windows.

    Attributes:
        model: Model of a method that can be tiled.
        content: The picture.
        windows: What `inference.tiles.windows.cut_windows` made of its size.
        kept: Features of the windows.
        strides: Strides of every layer's positions, in px.
        cells: Masks on the layers' grids over the whole picture.
        controls: The masks in it are ignored; `cells` is used instead.
        masks: At the picture's pixels.
    """

    model: Model
    content: np.ndarray
    windows: list[Window]
    kept: FeatureCache
    strides: dict[str, int]
    cells: Cells
    controls: Controls
    masks: PixelMasks

    def moments(self) -> LayerMoments:
        """Those of all regions over the whole picture: the first pass."""
        total = _no_moments(self.kept[0], len(self.controls.strength))
        for index, window in enumerate(self.windows):
            cells = core_cells(self.cells, window, self.strides)
            features = self.kept[index]
            total = _moments(self.model.method.moments, total, features, cells)
        return total

    def attends_to_itself(self) -> bool:
        """Whether the content is attended to."""
        return attends_to_itself(self.model, self.controls)

    def attention_flops(self) -> float:
        """Operations of the content's attention to itself, its margins counted."""
        num_regions = len(self.controls.strength)
        total = 0.0
        for layer, feature in self.kept[0].items():
            asking = feature[0, :, :, 0].size * len(self.windows)
            asked = self.cells[layer][0].size
            total += 4.0 * num_regions * asking * asked * feature.shape[-1]
        return total

    def found(self, index: int, moments: LayerMoments) -> Found:
        """What a window attends to in the content, if it does."""
        if not self.attends_to_itself():
            return {}
        attend = self.model.method.tiling.attend  # type: ignore[union-attr]
        own = (self.model.variables, self.kept[index], moments)
        content = ((w, self.kept[i]) for i, w in enumerate(self.windows))
        total = _nothing_found(self.kept[index], len(self.controls.strength))
        for block in key_blocks(content, self.strides):
            total = _attend(attend, total, *own, block.features, block.allowed)
            jax.block_until_ready(total)  # or the blocks of many windows would wait
        return total

    def image(
        self, index: int, moments: LayerMoments, styles: Sequence[Style]
    ) -> Float[np.ndarray, "side side 3"]:
        """A stylized window, not clipped: the second pass."""
        window, method = self.windows[index], self.model.method
        masks = window_cells(self.cells, window, self.strides)
        piece = Piece(
            _extent(self.content, window),
            {layer: jnp.asarray(mask) for layer, mask in masks.items()},
            self.found(index, moments),
        )
        inputs = _WindowInputs(
            self.kept[index],
            moments,
            without_palettes(styles),
            self.controls,
            piece,
            self._detail(window),
        )
        _, variables, frozen = self.model
        return np.asarray(
            _render(method.transfer, method.decode, variables, frozen, inputs)
        )

    def _detail(self, window: Window) -> "_Detail | None":
        """The photo in a window, and the share of its detail; None where it is 0."""
        if self.controls.detail is None:
            return None
        share = self.masks.mixed(np.asarray(self.controls.detail), window)
        return _Detail(_pixels(self.content, window), share)


class _Detail(NamedTuple):
    """What `ops.spatial.add_detail` needs of a window."""

    photo: Float[np.ndarray, "1 side side 3"]
    share: Float[np.ndarray, "side side 1"] | Float[np.ndarray, "1 1 1"]


def begin_passes(
    model: Model,
    content: np.ndarray,
    controls: Controls,
    windows: list[Window],
    kept: FeatureCache,
) -> Passes:
    """What both passes need."""
    features = kept[0].items()
    strides = {layer: windows[0].side // x.shape[1] for layer, x in features}
    masks: Any = controls.masks
    if isinstance(masks, jax.Array):  # slices of which would be compiled
        masks = np.asarray(masks)
    cells = layer_cells(masks, content.shape[:2], strides)
    # Of one size whatever the picture's, so that nothing is compiled for it.
    unseen = jnp.ones((len(controls.strength), 1, 1))
    # The color step is done when all windows are, by `inference.color`.
    plain = controls._replace(masks=unseen, color_match=None)
    height, width, _ = content.shape
    at_pixels = PixelMasks(masks, (height, width))
    return Passes(model, content, windows, kept, strides, cells, plain, at_pixels)


def encode_window(model: Model, content: np.ndarray, window: Window) -> Features:
    """Features of what the picture shows in a window, and of filler beyond."""
    image, extent = _pixels(content, window), _extent(content, window)
    features = _encode(model.method.encode_content, *model[1:], image, extent)
    return {layer: np.asarray(feature) for layer, feature in features.items()}


def _pixels(content: np.ndarray, window: Window) -> Float[np.ndarray, "1 side side 3"]:
    top, left, side = window.rows.start, window.columns.start, window.side
    part = ensure_float(content[top : top + side, left : left + side])
    image = np.zeros((1, side, side, 3), np.float32)
    image[0, : part.shape[0], : part.shape[1]] = part
    return image


def _extent(content: np.ndarray, window: Window) -> Extent:
    starts = (window.rows.start, window.columns.start)
    sizes = (size - start for size, start in zip(content.shape, starts, strict=False))
    return Extent(*(np.int32(size) for size in sizes))  # type: ignore[arg-type]


# Merging begins with nothing, so that a picture of one window compiles what one of
# many needs.


def _no_moments(features: Features, num_regions: int) -> LayerMoments:
    total = {}
    for layer, feature in features.items():
        none = jnp.asarray(np.zeros((1, num_regions, feature.shape[-1]), np.float32))
        count = jnp.asarray(np.zeros((1, num_regions), np.float32))
        total[layer] = Moments(count, none, none)
    return total


def _nothing_found(features: Features, num_regions: int) -> Found:
    total = {}
    for layer, feature in features.items():
        positions = num_regions, feature.shape[1] * feature.shape[2]
        none = np.zeros((*positions, feature.shape[-1]), np.float32)
        log_sum = np.full(positions, -np.inf, np.float32)
        total[layer] = PartialAttention(jnp.asarray(none), jnp.asarray(log_sum))
    return total


class _WindowInputs(NamedTuple):
    """What the second pass over a window takes; see `methods.base.Transfer`."""

    features: Any
    moments: LayerMoments
    styles: Sequence[Any]
    controls: Controls
    piece: Piece
    detail: _Detail | None


# A method's functions are the same objects as long as its model is, so that these
# compile once for each model and size of window.


@partial(cached_jit, static_argnums=(0,))
def _encode(encode_content: Function, *arguments: Any) -> dict[str, Array]:
    return dict(encode_content(*arguments))


@partial(cached_jit, static_argnums=(0,))
def _moments(
    moments: Function, total: LayerMoments, features: Any, masks: Any
) -> LayerMoments:
    part = moments(features, masks)
    return {layer: merge_moments(total[layer], part[layer]) for layer in total}


@partial(cached_jit, static_argnums=(0,))
def _attend(attend: Function, total: Found, *arguments: Any) -> Found:
    part = attend(*arguments)
    return {layer: merge_attention(total[layer], part[layer]) for layer in total}


@partial(cached_jit, static_argnums=(0, 1))
def _render(
    transfer: Function,
    decode: Function,
    variables: Any,
    frozen: Any,
    inputs: _WindowInputs,
) -> Float[Array, "side side 3"]:
    features, moments, styles, controls, piece, detail = inputs

    def decoded(controls: Controls) -> Array:
        merged = transfer(variables, frozen, features, moments, styles, controls, piece)
        return decode(variables, frozen, merged, piece.extent)

    image = decoded(controls)
    if detail is not None:
        lost = detail.photo - decoded(at_strength_0(controls))
        image = image + detail.share * lost
    return image[0]


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
        controls: Masks may be arrays of NumPy, mapped from files, or `RegionMasks`.
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

    with FeatureCache(encode) as kept:
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
