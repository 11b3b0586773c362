"""Refining a network's results by a few iterations of optimization of their pixels."""

import functools
import math
import os
from collections.abc import Callable, Sequence

import numpy as np
from jaxtyping import Float
from PIL import Image as PillowImage

from styleflax.images.decoding import MIN_SIDE_PX
from styleflax.inference.contents import Content, StylePixels, ensure_float
from styleflax.inference.controls import Plan
from styleflax.inference.gatys.optimize import Size, make_gatys
from styleflax.inference.gatys.pictures import (
    ENCODER,
    load_gatys_encoder,
    style_regions,
)
from styleflax.inference.gatys.presets import PRESETS, Settings
from styleflax.inference.masks.layout import RegionMasks, make_region_masks
from styleflax.types import Params

COARSEST_PX = 512
"""Smallest short side of a level; from twice this size on, refinement has levels."""
MAX_REFINED_MEGAPIXELS = 2.1
"""Largest size at which pixels are optimized: 1920x1080 px take 7 GB."""

OnStep = Callable[[int, int], None]
"""Function of (finished iterations, all iterations) of one image."""


class Refiner:
    """Refines results by the optimization of Gatys, Ecker and Bethge (2016).

    Args:
        settings: Settings of the optimization; iterations, levels and the initial
            image are replaced by those of the refinement.
        encoder: Name or file of an encoder, see `load_gatys_encoder`; it is loaded
            with the first image.
    """

    def __init__(
        self,
        settings: Settings = PRESETS["default"],
        encoder: str | os.PathLike[str] = ENCODER,
    ) -> None:
        self._settings, self._encoder = settings, encoder

    @functools.cached_property
    def _params(self) -> Params:
        return load_gatys_encoder(self._encoder, self._settings.objective.layers())

    def __call__(
        self,
        stylized: Float[np.ndarray, "h w 3"],
        content: Content,
        styles: Sequence[StylePixels],
        plan: Plan,
        masks: RegionMasks | None,
        on_step: OnStep | None = None,
    ) -> Float[np.ndarray, "h w 3"]:
        """Returns the result after `plan.refine` iterations of L-BFGS.

        An image of 1024 px or more is refined coarse to fine, with this number of
        iterations at each level. An image above `MAX_REFINED_MEGAPIXELS` is refined
        at that size, and the change is enlarged.

        Args:
            stylized: RGB in [0, 1], what a network made of the content.
            content: The content, whose `image` has the same size.
            styles: Paintings, one for each style of the plan.
            plan: The controls.
            masks: Masks at the size of the content; None for one region.
            on_step: Function that is called after every few iterations.
        """
        whole: Size = (stylized.shape[0], stylized.shape[1])
        size = refined_size(whole)
        image, start = (
            _resized(ensure_float(x), size) for x in (content.image, stylized)
        )
        if size != whole:
            scale = size[0] / whole[0]
            masks = make_region_masks(plan.mask_set, *size, content.alpha, scale=scale)
        settings = self._settings._replace(
            iterations=(plan.refine,), levels=num_levels(size)
        )
        optimized = make_gatys(self._params, settings)(
            image,
            [style.image for style in styles],
            style_regions(plan, masks, [style.mask for style in styles]),
            on_progress=on_step
            and _listener(on_step, (plan.refine + 1) * settings.levels),
            start=start,
        )
        if size == whole:
            return optimized.image
        return np.clip(stylized + _resized(optimized.image - start, whole), 0.0, 1.0)


def refined_size(size: Size) -> Size:
    """Returns the height and width at which an image's pixels are optimized."""
    scale = math.sqrt(MAX_REFINED_MEGAPIXELS * 1e6 / (size[0] * size[1]))
    if scale >= 1.0:
        return size
    height, width = (max(MIN_SIDE_PX, math.floor(x * scale)) for x in size)
    return height, width


def num_levels(size: Size) -> int:
    """Returns the number of levels whose short sides are `COARSEST_PX` or more."""
    return 1 + max(0, math.floor(math.log2(min(size) / COARSEST_PX)))


def _listener(on_step: OnStep, total: int) -> Callable[[int, np.ndarray], None]:
    """Returns a callback that reports the number of one image's iterations."""
    done = 0

    def report(_level: int, losses: np.ndarray) -> None:
        nonlocal done
        done += len(losses)
        on_step(done, total)

    return report


def _resized(
    image: Float[np.ndarray, "h w 3"], size: Size
) -> Float[np.ndarray, "_ _ 3"]:
    """Returns a bicubically resized image in floats; unchanged at equal size."""
    if image.shape[:2] == size:
        return image
    channels = (np.ascontiguousarray(image[..., i], np.float32) for i in range(3))
    bicubic = PillowImage.Resampling.BICUBIC
    resized = [PillowImage.fromarray(x).resize(size[::-1], bicubic) for x in channels]
    return np.dstack([np.asarray(x) for x in resized])
