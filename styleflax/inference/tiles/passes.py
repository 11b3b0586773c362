"""Both passes over the windows of one picture, and the programs that they run."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from styleflax.compile_cache.jit import kept_jit
from styleflax.inference.contents import as_floats
from styleflax.inference.masks.cells import (
    Cells,
    core_cells,
    layer_cells,
    window_cells,
)
from styleflax.inference.masks.pixels import PixelMasks
from styleflax.inference.model import Model
from styleflax.inference.render.sizes import attends_to_itself
from styleflax.inference.tiles.feature_cache import Features, KeptFeatures
from styleflax.inference.tiles.keys import key_blocks
from styleflax.inference.tiles.windows import Window
from styleflax.methods.base import Controls, Found, Piece, Style, at_strength_0
from styleflax.methods.finishing import without_palettes
from styleflax.ops.extent import Extent
from styleflax.ops.partial_attention import PartialAttention, merge_attention
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
    kept: KeptFeatures
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
        own_styles = without_palettes(styles)
        operands = (self.kept[index], moments, own_styles, self.controls, piece)
        functions = (method.transfer, method.decode)
        return np.asarray(
            _render(*functions, *self.model[1:], *operands, self._detail(window))
        )

    def _detail(self, window: Window) -> "_Detail | None":
        """The photo in a window, and the share of its detail; None where it is 0."""
        if self.controls.detail is None:
            return None
        share = self.masks.mixed(np.asarray(self.controls.detail), window)
        return _Detail(_pixels(self.content, window), share)


class _Detail(NamedTuple):
    """What `methods.finishing.add_detail` needs of a window."""

    photo: Float[np.ndarray, "1 side side 3"]
    share: Float[np.ndarray, "side side 1"] | Float[np.ndarray, "1 1 1"]


def begin_passes(
    model: Model,
    content: np.ndarray,
    controls: Controls,
    windows: list[Window],
    kept: KeptFeatures,
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
    # The color step is done when all windows are, by `inference.color.matching`.
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
    part = as_floats(content[top : top + side, left : left + side])
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


# A method's functions are the same objects as long as its model is, so that these
# compile once for each model and size of window.


@partial(kept_jit, static_argnums=(0,))
def _encode(encode_content: Function, *arguments: Any) -> dict[str, Array]:
    return dict(encode_content(*arguments))


@partial(kept_jit, static_argnums=(0,))
def _moments(
    moments: Function, total: LayerMoments, features: Any, masks: Any
) -> LayerMoments:
    part = moments(features, masks)
    return {layer: merge_moments(total[layer], part[layer]) for layer in total}


@partial(kept_jit, static_argnums=(0,))
def _attend(attend: Function, total: Found, *arguments: Any) -> Found:
    part = attend(*arguments)
    return {layer: merge_attention(total[layer], part[layer]) for layer in total}


@partial(kept_jit, static_argnums=(0, 1))
def _render(
    transfer: Function,
    decode: Function,
    variables: Any,
    frozen: Any,
    features: Any,
    moments: Any,
    styles: Any,
    controls: Controls,
    piece: Piece,
    detail: _Detail | None,
) -> Float[Array, "side side 3"]:
    def decoded(controls: Controls) -> Array:
        arguments = (features, moments, styles, controls, piece)
        merged = transfer(variables, frozen, *arguments)
        return decode(variables, frozen, merged, piece.extent)

    image = decoded(controls)
    if detail is not None:
        lost = detail.photo - decoded(at_strength_0(controls))
        image = image + detail.share * lost
    return image[0]
