"""The stylizer of exported models, which runs in ONNX Runtime without JAX."""

import os
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from jaxtyping import Float, Shaped

from styleflax.export.runtime.color import (
    apply_color_map,
    color_map,
    color_moments,
    merge_color_moments,
    mix_palettes,
)
from styleflax.export.runtime.controls import Plan, check_controls, make_plan
from styleflax.export.runtime.model import ExportedModel
from styleflax.export.runtime.passes import Passes
from styleflax.export.runtime.styles import (
    EncodedStyle,
    encode_painting,
    find_own_style,
)

BAND_PX = 2**20
"""Number of pixels whose colors are matched at a time."""
Pixels = Shaped[np.ndarray, "h w 3"]
"""RGB, uint8 or float in [0, 1]."""
OneStyle = Pixels | EncodedStyle | str | int | None
"""A painting, an encoded style, or a built-in style: its name, its number from 1, or
None for the only one."""


class OnnxStylizer:
    """Stylizes photos with the files of `styleflax export`.

    Args:
        source: The folder with the manifest, or an `ExportedModel`, which may use
            another runtime.
        tile_px: Side of the tiles of larger photos; 0 disables tiling.
        threads: Threads of ONNX Runtime; None for all cores.
        providers: Execution providers of ONNX Runtime, in order of preference.

    Raises:
        FileNotFoundError: If there is no manifest.
        ValueError: If it is of a newer version, or the tile size is not allowed.
        ImportError: If onnxruntime is not installed.

    Example:
        >>> stylizer = OnnxStylizer("lite_onnx")
        >>> result = stylizer(photo_u8, painting_u8, alpha=0.8)
    """

    def __init__(
        self,
        source: str | os.PathLike[str] | ExportedModel,
        tile_px: int = 1024,
        threads: int | None = None,
        providers: Sequence[str] = ("CPUExecutionProvider",),
    ) -> None:
        if not isinstance(source, ExportedModel):
            source = ExportedModel(source, threads, providers)
        self._model = source
        self.manifest = self._model.manifest
        self._tile_px = 0 if self._is_whole else tile_px
        self._check_tile()

    @property
    def _is_whole(self) -> bool:
        return self.manifest["style"] == "own"

    def _check_tile(self) -> None:
        if not self._tile_px:
            return
        stride, halo = self.manifest["stride"], self.manifest["halo"]
        least = 2 * halo + stride
        if self._tile_px % stride or self._tile_px < least:
            raise ValueError(
                f"tile_px must be 0 or a multiple of {stride} from {least} on with "
                f"this model, got {self._tile_px}"
            )

    def encode_style(
        self, style: OneStyle, mask: Float[np.ndarray, "h w"] | None = None
    ) -> EncodedStyle:
        """Returns an encoded painting, which can be reused for many photos.

        Args:
            style: A painting of any size (`Stylizer` shrinks larger ones to a short
                side of 512 px), or another form of `OneStyle`.
            mask: Weight of every pixel of the painting; None uses all of it.

        Raises:
            ValueError: If there is no such style, or the painting has a wrong shape.
        """
        if isinstance(style, EncodedStyle):
            return style
        if self._is_whole:
            return find_own_style(self.manifest["styles"], style)
        if mask is not None:
            check_controls(self.manifest, ["style_masks"])
        return encode_painting(self._model, self._floats(style, "painting"), mask)

    def __call__(  # noqa: PLR0913  (a user's keyword arguments)
        self,
        photo: Pixels,
        styles: OneStyle | Sequence[OneStyle] = None,
        *,
        alpha: float = 1.0,
        weights: Sequence[float] | Sequence[Sequence[float]] | None = None,
        masks: Sequence[np.ndarray] | None = None,
        region_alphas: Sequence[float] | None = None,
        style_masks: Sequence[np.ndarray | None] | None = None,
        color_match: float | None = None,
        detail: float | None = None,
        level_balance: float = 0.5,
    ) -> Float[np.ndarray, "h w 3"]:
        """Returns the photo in a style, or in a mix of styles, RGB in [0, 1].

        Args:
            photo: Photo of any size.
            styles: One style, or a list of several.
            alpha: Strength of the style, from 0 to 1; up to 10 exaggerates it.
            weights: Share of every style, scaled to sum to 1; with masks, optionally
                one row per region. The default is equal shares, or with masks one
                style per region.
            masks: Regions of the photo, of its size. Uncovered pixels remain those of
                the photo.
            region_alphas: Strength of every region, multiplied by `alpha`.
            style_masks: Mask of the part of each painting to use, or None for all.
            color_match: Strength of the color step, from 0 to 1; the default is that
                of the model file.
            detail: Share of the photo's lost detail to add below strength 1; the
                default is that of the model file.
            level_balance: Balance of the two levels of SANet, from 0 to 1; the paper
                uses 0.5.

        Raises:
            ValueError: If an argument is out of range, does not fit the others, or the
                model does not support the control.
        """
        image = self._floats(photo, "photo")
        encoded = self._encode_all(styles, style_masks)
        plan = make_plan(
            *(self.manifest, len(encoded), image.shape[:2]),
            alpha=alpha,
            weights=weights,
            masks=masks,
            region_alphas=region_alphas,
            color_match=color_match,
            detail=detail,
            level_balance=level_balance,
        )
        if self._is_whole:
            result = self._draw_whole(image, encoded, plan)
        else:
            passes = Passes.begin(self._model, image, plan, self._tile_px)
            result = passes.draw(encoded)
        result = _match_colors(result, encoded, plan).clip(0.0, 1.0)
        if plan.masks is not None and plan.has_rest:
            rest = plan.masks[-1][..., None]
            result = (rest * image + (1.0 - rest) * result).clip(0.0, 1.0)
        return result

    def _encode_all(
        self, styles: Any, masks: Sequence[np.ndarray | None] | None
    ) -> list[EncodedStyle]:
        is_one = isinstance(styles, EncodedStyle) or not isinstance(
            styles, list | tuple
        )
        several = [styles] if is_one else list(styles)
        parts = [None] * len(several) if masks is None else list(masks)
        if len(parts) != len(several):
            raise ValueError(
                f"style_masks must be one per style, got {len(parts)} for "
                f"{len(several)}"
            )
        return [self.encode_style(*pair) for pair in zip(several, parts, strict=True)]

    def _draw_whole(
        self, image: np.ndarray, styles: Sequence[EncodedStyle], plan: Plan
    ) -> Float[np.ndarray, "h w 3"]:
        """Returns a photo in a mix of built-in styles, not clipped."""
        height, width, _ = image.shape
        feeds = {"image": image[None]}
        if "weights" in self.manifest["files"]["stylize"]["inputs"]:
            shares = np.zeros((len(plan.weights), len(self.manifest["styles"])))
            for style, column in zip(styles, plan.weights.T, strict=True):
                shares[:, style.number] += column
            feeds["weights"] = shares.astype(np.float32)
            feeds |= self._model.grids(plan.masks, height, width)
        return self._model.run("stylize", feeds)["stylized"][0]

    def _floats(self, pixels: object, name: str) -> Float[np.ndarray, "h w 3"]:
        array, least = np.asarray(pixels), self.manifest["min_px"]
        is_image = array.ndim == 3 and array.shape[-1] == 3
        if not is_image or min(array.shape[:2]) < least:
            raise ValueError(
                f"{name} must be an array (h, w, 3) of at least {least} x {least} "
                f"pixels, got {array.dtype} of shape {array.shape}"
            )
        if array.dtype == np.uint8:
            return array.astype(np.float32) / np.float32(255)
        return array.astype(np.float32)


def _match_colors(
    image: Float[np.ndarray, "h w 3"], styles: Sequence[EncodedStyle], plan: Plan
) -> Float[np.ndarray, "h w 3"]:
    """Returns an image after the color step, not clipped; see `runtime.color`."""
    palettes = [style.palette for style in styles if style.palette is not None]
    if plan.color_match is None or len(palettes) < len(styles):
        return image
    bands = list(_bands(*image.shape[:2]))
    parts = [color_moments(image[band], _rows(plan, band)) for band in bands]
    total = parts[0]
    for part in parts[1:]:
        total = merge_color_moments(total, part)
    palette = mix_palettes(palettes, plan.weights)
    maps = color_map(total, palette, plan.color_match)
    colored = [apply_color_map(image[band], maps, _rows(plan, band)) for band in bands]
    return np.concatenate(colored)


def _rows(plan: Plan, rows: slice) -> np.ndarray | None:
    return None if plan.masks is None else plan.masks[:, rows]


def _bands(height: int, width: int) -> Iterator[slice]:
    step = max(1, BAND_PX // width)
    return (slice(first, first + step) for first in range(0, height, step))
