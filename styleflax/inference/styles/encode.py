"""Styles of one model, from whatever stands for them to what its method keeps."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp

from styleflax.forks import refuse_fork
from styleflax.inference.contents import StylePixels
from styleflax.inference.controls import ColorMode
from styleflax.inference.masks.read import Mask
from styleflax.inference.model import Model
from styleflax.inference.styles.cache import KeptStyles, needs_pixels
from styleflax.inference.styles.file import StyleFile
from styleflax.inference.styles.pixels import see_style
from styleflax.memory import explained_memory
from styleflax.methods import check_controls
from styleflax.methods.base import Style


class StyleEncoder:
    """What a stylizer does with styles; its public methods say what they take.

    Args:
        model: As built.
        kept: Its style files.
        encode: See `Programs.encode`.
    """

    def __init__(
        self, model: Model, kept: KeptStyles, encode: Callable[..., Style]
    ) -> None:
        self._model, self._kept, self._encode = model, kept, encode

    def encode(
        self, style: Any, size: int | None = None, mask: Mask | None = None
    ) -> Style:
        """All that the model keeps of a style; see `Stylizer.encode_style`."""
        known = self._known(style, size, mask)
        if known is not None:
            return known
        pixels = see_style(style, size, mask)
        inputs = {"image": jnp.asarray(pixels.image[None])}
        if pixels.mask is not None:
            check_controls(self._model.method, {"style_masks"})
            inputs["mask"] = jnp.asarray(pixels.mask[None])
        height, width, _ = pixels.image.shape
        with explained_memory(
            f"encoding a painting of {width} x {height} px",
            "use a smaller --style-size (in Python style_size)",
        ):
            return jax.block_until_ready(self._encode(*self._model[1:], inputs))

    def prepare(
        self,
        style: Any,
        color: ColorMode,
        size: int | None,
        mask: Mask | None,
        *,
        refine: bool,
    ) -> Style | StylePixels:
        """A style read once; see `Stylizer.prepare_style`."""
        if color != "coral" and not refine:
            return self.encode(style, size, mask)
        if self._known(style, size, mask) is not None:
            raise needs_pixels("refine" if refine else 'color="coral"', style)
        return see_style(style, size, mask)

    def save(
        self,
        style: Any,
        path: str | os.PathLike[str],
        size: int | None,
        painting: str | None,
        mask: Mask | None,
    ) -> StyleFile:
        """Writes a style file; see `Stylizer.save_style`."""
        if painting is None:
            named = isinstance(style, str | os.PathLike)
            painting = Path(style).name if named else ""
        return self._kept.save(path, self.encode(style, size, mask), painting)

    def _known(self, style: Any, size: int | None, mask: Mask | None) -> Style | None:
        """A style that needs no pixels, which then none may ask for."""
        refuse_fork()  # the first thing that is done with every style
        known = self._kept.find(style)
        asked = {"style_size": size, "a mask of the style": mask}
        for control, value in asked.items():
            if known is not None and value is not None:
                raise needs_pixels(control, style)
        return known
