"""Stylizing a photo in windows with an exported encoder and decoder.

There are two passes: the first encodes all windows and merges their moments, the second
transfers and decodes each window. Only the core of each window is used, so there are no
seams.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple, Self

import numpy as np
from jaxtyping import Float

from styleflax.export.runtime.controls import Plan
from styleflax.export.runtime.model import Arrays, ExportedModel
from styleflax.export.runtime.moments import (
    Moments,
    merge_moments,
    merge_regions,
    region_moments,
)
from styleflax.export.runtime.styles import EncodedStyle, positions, stack_styles
from styleflax.export.runtime.windows import Span, cut_spans, grid_side

ALL = slice(None)


class Window(NamedTuple):
    """The position of a window in the photo."""

    rows: Span
    columns: Span

    def shown(self) -> tuple[slice, slice]:
        """Returns the photo's pixels that the window covers."""
        rows, columns = self
        return slice(rows.start, rows.stop), slice(columns.start, columns.stop)

    def positions(self, stride: int) -> tuple[slice, slice]:
        """Returns the window's positions in the photo, at a layer of this stride."""
        return self.rows.positions(stride), self.columns.positions(stride)

    def core(self, stride: int = 1) -> tuple[slice, slice]:
        """Returns the core's positions in the window, at a layer of this stride."""
        return self.rows.core(stride), self.columns.core(stride)

    def place(self, stride: int = 1) -> tuple[slice, slice]:
        """Returns the core's positions in the photo, at a layer of this stride."""
        rows, columns = self
        return rows.place(stride), columns.place(stride)


class Passes(NamedTuple):
    """A photo with the features of all of its windows.

    Attributes:
        model: The exported model.
        image: The photo, RGB in [0, 1].
        plan: The controls.
        windows: Windows of the photo.
        features: Feature maps (c, h, w) of every window by level.
        grids: Masks of the whole photo on the grids of all levels, as inputs.
    """

    model: ExportedModel
    image: Float[np.ndarray, "h w 3"]
    plan: Plan
    windows: list[Window]
    features: list[Arrays]
    grids: Arrays

    @classmethod
    def begin(
        cls,
        model: ExportedModel,
        image: Float[np.ndarray, "h w 3"],
        plan: Plan,
        tile_px: int,
    ) -> Self:
        """Encodes a photo in windows of `tile_px`; 0 is one window of any size."""
        height, width, _ = image.shape
        side, halo = tile_px or max(height, width), model.manifest["halo"]
        rows, columns = (cut_spans(size, side, halo) for size in (height, width))
        windows = [Window(row, column) for row in rows for column in columns]
        features = [model.encode(image[window.shown()]) for window in windows]
        grids = model.grids(plan.masks, height, width)
        return cls(model, image, plan, windows, features, grids)

    def draw(self, styles: Sequence[EncodedStyle]) -> Float[np.ndarray, "h w 3"]:
        """Returns the photo in the styles, with its detail, not clipped."""
        plan, moments = self.plan, self._moments()
        feeds = self._styles(styles, moments)
        for name, total in moments.items():
            statistics = self.model.statistics(f"content.{name}", total, "content")
            feeds |= {k: v[None] for k, v in statistics.items()}  # a batch of one
        result = np.empty_like(self.image)
        for window, feature in zip(self.windows, self.features, strict=True):
            place = window.place()
            own = {f"features.{name}": x[None] for name, x in feature.items()}
            own |= feeds | self._masks(window)
            result[place] = self._decode(window, own | self._mix(plan.strength))
            if plan.detail is not None:
                nothing = np.zeros_like(plan.strength)
                reproduction = self._decode(window, own | self._mix(nothing))
                lost = self.image[place] - reproduction
                result[place] += plan.at_pixels(plan.detail, place) * lost
        return result

    def _decode(self, window: Window, inputs: Arrays) -> Float[np.ndarray, "_ _ 3"]:
        return self.model.run("decoder", inputs)["image"][0][window.core()]

    def _attends_to_itself(self) -> bool:
        """Returns whether the photo is also a style, as in SANet below strength 1."""
        weakens = self.plan.detail is not None or (self.plan.strength != 1.0).any()
        return self.model.manifest["style"] == "features" and bool(weakens)

    def _mix(self, strength: Float[np.ndarray, " r"]) -> Arrays:
        """Returns the inputs that mix the styles at this strength."""
        if self.model.manifest["style"] == "moments":
            return {"weights": self.plan.weights, "strength": strength}
        weights, share = self.plan.weights, strength[:, None]
        if self._attends_to_itself():
            weights = np.concatenate([share * weights, 1.0 - share], axis=1)
        balance = np.array([self.plan.level_balance], np.float32)
        return {"weights": weights, "level_balance": balance}

    def _styles(
        self, styles: Sequence[EncodedStyle], moments: Mapping[str, Moments]
    ) -> Arrays:
        attended = [style.arrays for style in styles]
        if self._attends_to_itself():
            attended.append(self._itself(moments))
        return stack_styles(attended)

    def _itself(self, moments: Mapping[str, Moments]) -> Arrays:
        """Returns the photo as a style, with all of its positions."""
        arrays: Arrays = {}
        for level in self.model.manifest["levels"]:
            name, stride = level["name"], level["stride"]
            sides = [grid_side(size, stride) for size in self.image.shape[:2]]
            whole = np.empty((level["channels"], *sides), np.float32)
            for window, feature in zip(self.windows, self.features, strict=True):
                core = feature[name][(ALL, *window.core(stride))]
                whole[(ALL, *window.place(stride))] = core
            part = np.ones((1, *sides), np.float32)
            total = merge_regions(moments[name])
            arrays |= positions(self.model, name, whole, part, total)
        return {name: x[0] for name, x in arrays.items()}

    def _moments(self) -> dict[str, Moments]:
        """Returns the moments of all regions of the whole photo by level."""
        totals: dict[str, Moments] = {}
        for window, feature in zip(self.windows, self.features, strict=True):
            masks = self._masks(window)
            for level in self.model.manifest["levels"]:
                name, core = level["name"], window.core(level["stride"])
                part, weights = feature[name][(ALL, *core)], masks[f"masks.{name}"]
                if self.plan.masks is None:
                    weights = np.ones((1, *part.shape[1:]), np.float32)
                else:
                    weights = weights[(ALL, *core)]
                moments = region_moments(part, weights)
                total = totals.get(name)
                totals[name] = merge_moments(total, moments) if total else moments
        return totals

    def _masks(self, window: Window) -> Arrays:
        """Returns the masks of a window, as inputs."""
        if self.plan.masks is None:
            return self.grids
        parts: Arrays = {}
        for grid in self.model.manifest["masks"]:
            name = f"masks.{grid['name']}"
            shown = (ALL, *window.positions(grid["stride"]))
            parts[name] = np.ascontiguousarray(self.grids[name][shown])
        return parts
