"""Reading paintings, encoding them as styles, and saving style files."""

import functools
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from styleflax.inference.contents import (
    Picture,
    StylePixels,
    ensure_float,
    is_style_file,
    load_pixels,
    resize,
)
from styleflax.inference.controls import ColorMode
from styleflax.inference.masks.layout import spread
from styleflax.inference.masks.read import Mask, check_style_mask
from styleflax.inference.styles.file import (
    StyleFile,
    check_style,
    load_style,
    save_style,
)
from styleflax.memory import explain_memory_errors, refuse_fork
from styleflax.methods.base import Method, Style, encode_painting
from styleflax.methods.model import Model, check_controls
from styleflax.ops.color_match import add_palette, has_palette
from styleflax.weights.store import ModelFile, model_digest

STYLE_SIZE_PX = 512
"""Larger paintings are shrunk to this short side, as in the published programs."""


def see_style(
    style: Picture | StylePixels, size: int | None, mask: Mask | None = None
) -> StylePixels:
    """Returns the pixels of a painting at the requested short side.

    Args:
        style: Painting of any size; `StylePixels` are returned unchanged if neither
            size nor mask is given.
        size: Short side in px; None shrinks larger paintings to `STYLE_SIZE_PX`.
        mask: Mask of the part to use, scaled to a maximum of 1; None for the whole
            painting, or for the mask that `StylePixels` have.

    Raises:
        ValueError: If the painting cannot be read or is a style file.
        FileNotFoundError: If a file is missing.
    """
    if isinstance(style, StylePixels):
        if size is None and mask is None:
            return style
        pixels, values = style.image, style.mask
    elif is_style_file(style):  # with a model, `StyleFiles.find` handles it
        raise needs_pixels("gatys", style)
    else:
        pixels, values = load_pixels(style), None
        if size is None and min(pixels.shape[:2]) > STYLE_SIZE_PX:
            size = STYLE_SIZE_PX
    if mask is not None:
        values = check_style_mask(mask, "the mask of the style")
    image = ensure_float(pixels) if size is None else _resized(pixels, size)
    if values is not None:
        values = spread(values, image.shape[:2], "the mask of the style")
        values = values / values.max()  # so that a uniform gray counts like white
    return StylePixels(image, values)


def _resized(pixels: np.ndarray, size: int) -> np.ndarray:
    return ensure_float(resize(pixels, size))


_SHORT = 12  # digits of a digest in messages


class StyleFiles:
    """Style files of one model.

    Attributes:
        name: Name of the model, for messages and for the files.
    """

    def __init__(self, model: Model, file: ModelFile | None, name: str) -> None:
        self._model, self.name = model, name
        # Its parameters are those of the model, so that no second copy is stored.
        self._described = file and file._replace(encoder_params={}, players={})

    @functools.cached_property
    def digest(self) -> str:
        """Returns the digest of the model, see `weights.store.model_digest`.

        Raises:
            ValueError: If the model did not come from a file.
        """
        if self._described is None:
            raise ValueError(
                "a style file needs the model's digest: use Stylizer.load, or give "
                "the model's file to Stylizer"
            )
        _, variables, frozen = self._model
        parts = {name: part for name, part in frozen.items() if name != "encoder"}
        parts |= variables.players
        params, players = jax.device_get((frozen["encoder"], parts))
        described = self._described
        return model_digest(described._replace(encoder_params=params, players=players))

    def find(self, style: object) -> Style | None:
        """Returns the encoded style for an argument; None if it is a painting.

        Args:
            style: An encoded style, a style file or a painting. For a model with a
                fixed set of styles, the name of one or its number from 1; None if
                there is only one.

        Raises:
            ValueError: If the model has no such style or accepts no paintings, or if
                `load` refuses the file.
            FileNotFoundError: If there is no such style file.
        """
        if isinstance(style, Mapping):
            if not all(hasattr(leaf, "shape") for leaf in jax.tree.leaves(dict(style))):
                raise ValueError(
                    "a style must be an image, a style file or what encode_style "
                    f"returned, got {type(style).__name__}"
                )
            return style
        if is_style_file(style):
            return self.load(style)  # type: ignore[arg-type]
        method, variables, frozen = self._model
        if not method.styles:
            if style is None:
                raise ValueError("style is missing: this model takes paintings")
            return None
        number = find_style(method.styles, style)
        index = {"style_index": jnp.array([number])}
        encoded = method.encode_style(variables, frozen, index)
        palettes = {} if self._described is None else self._described.palettes
        return add_palette(encoded, palettes.get(method.styles[number]))

    def load(self, path: str | os.PathLike[str]) -> Style:
        """Loads the style from a file.

        Raises:
            FileNotFoundError: If there is no such file.
            ValueError: If it is damaged, or belongs to another model; names both.
        """
        file = load_style(path)
        if file.model_digest != self.digest:
            raise ValueError(
                f"{os.fspath(path)} belongs to the model {file.model!r} "
                f"({file.method}, {file.model_digest[:_SHORT]}), not to {self.name!r} "
                f"({self.digest[:_SHORT]}): make it again from the painting by "
                "`styleflax style save`"
            )
        check_style(file, self._expected(file.style), path)
        return jax.tree.map(jnp.asarray, dict(file.style))

    def save(
        self, path: str | os.PathLike[str], style: Style, painting: str
    ) -> StyleFile:
        """Writes a style of this model.

        Args:
            path: Path of the file; an existing one is replaced.
            style: What the method's `encode_style` returned.
            painting: Name of the painting, for messages.

        Raises:
            ValueError: If the path does not end in `STYLE_SUFFIX`.
            OSError: If the file cannot be written.
        """
        assert self.digest
        assert self._described is not None
        method = self._described.method
        file = StyleFile(style, method, self.name, self.digest, painting)
        save_style(path, file)
        return file

    def _expected(self, style: Mapping[str, Any]) -> Style:
        """Returns the shapes of a small painting's style, masked if `style` is."""
        inputs = {
            "image": jax.ShapeDtypeStruct((1, 16, 16, 3), jnp.float32),
            "style_index": jax.ShapeDtypeStruct((1,), jnp.int32),
        }
        mask = {"mask": jax.ShapeDtypeStruct((1, 16, 16), jnp.float32)}
        method, variables, frozen = self._model
        take = encode_painting if has_palette(style) else _encode_without_palette
        encode = functools.partial(
            jax.eval_shape, functools.partial(take, method), variables, frozen
        )
        whole = encode(inputs)
        return whole if whole.keys() == style.keys() else encode(inputs | mask)


def _encode_without_palette(method: Method, *arguments: Any) -> Style:
    """Encodes a painting without its palette, as style files of version 1 have it."""
    return method.encode_style(*arguments)


def find_style(names: Sequence[str], style: object) -> int:
    """Returns the index of one of a model's fixed styles.

    Args:
        names: Names of all styles of the model.
        style: A name, a number from 1 (also as text), or None if there is only one.

    Raises:
        ValueError: If there is no such style; the message lists all styles.
    """
    text = "" if style is None else str(style)
    if text in names:
        return list(names).index(text)
    if text.isdecimal() and 1 <= int(text) <= len(names):
        return int(text) - 1
    if style is None and len(names) == 1:
        return 0
    value = "none" if style is None else _short(style)
    raise ValueError(
        f"the style must be one of this model's ({', '.join(names)}), got {value}; "
        "`styleflax style train` adds a painting to a model of cin"
    )


def _short(style: object) -> str:
    """Returns a short description of any argument, for messages."""
    text = isinstance(style, str | os.PathLike | int)
    return repr(str(style)) if text else "an image"


def needs_pixels(control: str, style: object) -> ValueError:
    """Returns the error for a control that an encoded style does not support."""
    what = style if isinstance(style, str | os.PathLike) else "an encoded style"
    return ValueError(f"{control} needs the painting's pixels; {what} has none")


class StyleEncoder:
    """Encodes styles for a stylizer, whose public methods document the arguments.

    Args:
        model: What `build_model` returned.
        files: Style files of this model.
        encode: Function that encodes a painting; see `Programs.encode`.
    """

    def __init__(
        self, model: Model, files: StyleFiles, encode: Callable[..., Style]
    ) -> None:
        self._model, self._files, self._encode = model, files, encode

    def encode(
        self, style: Any, size: int | None = None, mask: Mask | None = None
    ) -> Style:
        """Returns the encoded style; see `Stylizer.encode_style`."""
        known = self._known(style, size, mask)
        if known is not None:
            return known
        pixels = see_style(style, size, mask)
        inputs = {"image": jnp.asarray(pixels.image[None])}
        if pixels.mask is not None:
            check_controls(self._model.method, {"style_masks"})
            inputs["mask"] = jnp.asarray(pixels.mask[None])
        height, width, _ = pixels.image.shape
        with explain_memory_errors(
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
        """Returns a style read and encoded once; see `Stylizer.prepare_style`."""
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
        return self._files.save(path, self.encode(style, size, mask), painting)

    def _known(self, style: Any, size: int | None, mask: Mask | None) -> Style | None:
        """Returns a style without pixels, or None; refuses controls that need them."""
        refuse_fork()  # before JAX is used for the first time
        known = self._files.find(style)
        controls = {"style_size": size, "a mask of the style": mask}
        for control, value in controls.items():
            if known is not None and value is not None:
                raise needs_pixels(control, style)
        return known
