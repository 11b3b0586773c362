"""Stylizing images of any size in windows of one size, with the exact result.

There are two passes: the first merges the moments of all windows, the second transfers
and decodes. Inside a window, every layer pads beyond the border of the image as it
would without windows (see `ops.spatial`). Only the core of a window's result is used:
it is farther from borders inside the image than the receptive field. So there are no
seams, memory depends on the window only, and an image of a new size compiles nothing.
Matching colors is a third pass, over the pixels of the result (see `inference.color`).
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
    """The passes over the windows of one image.

    Attributes:
        model: Model of a method that can be tiled.
        content: The image.
        windows: What `cut_windows` returned for its size.
        cache: Features of the windows.
        strides: Stride of every layer's positions, in px.
        cells: Masks on the layers' grids over the whole image.
        controls: The controls; `cells` is used in place of their masks.
        masks: Masks at the image's pixels.
    """

    model: Model
    content: np.ndarray
    windows: list[Window]
    cache: FeatureCache
    strides: dict[str, int]
    cells: Cells
    controls: Controls
    masks: PixelMasks

    def moments(self) -> LayerMoments:
        """Returns the moments of all regions over the whole image: the first pass."""
        total = _no_moments(self.cache[0], len(self.controls.strength))
        for index, window in enumerate(self.windows):
            cells = core_cells(self.cells, window, self.strides)
            features = self.cache[index]
            total = _moments(self.model.method.moments, total, features, cells)
        return total

    def attends_to_itself(self) -> bool:
        """Returns whether the content attends to itself."""
        return attends_to_itself(self.model, self.controls)

    def attention_flops(self) -> float:
        """Returns the operations of self-attention of the content, margins included."""
        num_regions = len(self.controls.strength)
        total = 0.0
        for layer, feature in self.cache[0].items():
            num_queries = feature[0, :, :, 0].size * len(self.windows)
            num_keys = self.cells[layer][0].size
            total += 4.0 * num_regions * num_queries * num_keys * feature.shape[-1]
        return total

    def found(self, index: int, moments: LayerMoments) -> Found:
        """Returns a window's attention to the whole content; {} without attention."""
        if not self.attends_to_itself():
            return {}
        attend = self.model.method.tiling.attend  # type: ignore[union-attr]
        own = (self.model.variables, self.cache[index], moments)
        content = ((w, self.cache[i]) for i, w in enumerate(self.windows))
        total = _nothing_found(self.cache[index], len(self.controls.strength))
        for block in key_blocks(content, self.strides):
            total = _attend(attend, total, *own, block.features, block.allowed)
            jax.block_until_ready(total)  # otherwise blocks pile up in memory
        return total

    def image(
        self, index: int, moments: LayerMoments, styles: Sequence[Style]
    ) -> Float[np.ndarray, "side side 3"]:
        """Returns a stylized window, not clipped: the second pass."""
        window, method = self.windows[index], self.model.method
        masks = window_cells(self.cells, window, self.strides)
        piece = Piece(
            _extent(self.content, window),
            {layer: jnp.asarray(mask) for layer, mask in masks.items()},
            self.found(index, moments),
        )
        inputs = _WindowInputs(
            self.cache[index],
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
        """Returns the photo in a window and its share of detail, if any is added."""
        if self.controls.detail is None:
            return None
        share = self.masks.mixed(np.asarray(self.controls.detail), window)
        return _Detail(_pixels(self.content, window), share)


class _Detail(NamedTuple):
    """Arguments of `ops.spatial.add_detail` for a window."""

    photo: Float[np.ndarray, "1 side side 3"]
    share: Float[np.ndarray, "side side 1"] | Float[np.ndarray, "1 1 1"]


def begin_passes(
    model: Model,
    content: np.ndarray,
    controls: Controls,
    windows: list[Window],
    cache: FeatureCache,
) -> Passes:
    """Returns the passes over the windows, with masks on the grids of the layers."""
    features = cache[0].items()
    strides = {layer: windows[0].side // x.shape[1] for layer, x in features}
    masks: Any = controls.masks
    if isinstance(masks, jax.Array):  # each of its slices would be compiled
        masks = np.asarray(masks)
    cells = layer_cells(masks, content.shape[:2], strides)
    # Masks of one size for every image, so that a new size compiles nothing.
    placeholder = jnp.ones((len(controls.strength), 1, 1))
    # Colors are matched after the last window, by `inference.color`.
    plain = controls._replace(masks=placeholder, color_match=None)
    height, width, _ = content.shape
    at_pixels = PixelMasks(masks, (height, width))
    return Passes(model, content, windows, cache, strides, cells, plain, at_pixels)


def encode_window(model: Model, content: np.ndarray, window: Window) -> Features:
    """Returns the features of a window, padded where it extends beyond the image."""
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


# Merging begins with empty moments, so that images of one window and of many windows
# use the same programs.


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
    """Inputs of the second pass over a window; see `methods.base.Transfer`."""

    features: Any
    moments: LayerMoments
    styles: Sequence[Any]
    controls: Controls
    piece: Piece
    detail: _Detail | None


# A method's functions stay the same objects as long as its model exists, so that
# these compile once for each model and size of window.


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
    """Returns the clipped result of `methods.base.stylize` in the memory of one window.

    Programs are compiled for each size of window, number of styles, number of regions
    and size of encoded style when they are first used, but not for each image size.

    Args:
        model: Model of a method that can be tiled.
        content: An image of any size, uint8 or float32 in [0, 1]; it may be a memory
            map of a file.
        styles: Styles encoded by `Method.encode_style`.
        controls: The controls; masks may be NumPy arrays, memory maps, or
            `RegionMasks`.
        tile_px: Side of a window in px, see `windows.check_tile`. Large windows take
            less time, since margins are computed twice; small ones less memory.
        out: Array for the result, (h, w, 3), uint8 or float32 in [0, 1]; it may be a
            memory map of a file. A new uint8 array by default.
        announce: Function that receives a message about the cost if the content
            attends to itself (SANet below strength 1) in more than one window.
        on_window: Function that is called after each window with the number of
            finished windows and of all windows.

    Returns:
        `out`, with the result.

    Raises:
        ValueError: If the method needs whole images, or an argument has the wrong
            shape or dtype.
    """
    tiling, out = _check(model, content, out)
    height, width, _ = content.shape
    windows = cut_windows(height, width, tile_px, tiling)

    def encode(index: int) -> Features:
        return encode_window(model, content, windows[index])

    with FeatureCache(encode) as cache:
        passes = begin_passes(model, content, controls, windows, cache)
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
            "the method must support tiles, got one that needs whole images"
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
    """Yields the array for windows: `out`, or a float file if colors are matched."""
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
