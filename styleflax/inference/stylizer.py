"""Stylizing pictures: the way in for everyone who does not train."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Self, Unpack

import jax
import jax.numpy as jnp
import numpy as np

from styleflax.data.pictures import Picture as PictureFile
from styleflax.inference.coloring import color_style, finish
from styleflax.inference.contents import (
    Content,
    Picture,
    StylePixels,
    load_contents,
    load_float,
    resize,
)
from styleflax.inference.controls import (
    ColorMode,
    ControlArguments,
    Plan,
    make_plan,
)
from styleflax.inference.kept_styles import KeptStyles, needs_pixels
from styleflax.inference.masks import Regions, lay_masks
from styleflax.inference.model import Model, build_model
from styleflax.inference.programs import make_programs
from styleflax.inference.style_file import StyleFile, is_style_file
from styleflax.inference.stylized import Stylized
from styleflax.methods import check_controls
from styleflax.methods.base import Style
from styleflax.parallel import local_devices
from styleflax.weights.packaged_models import find_model
from styleflax.weights.store import ModelFile, load_model

__all__ = ["STYLE_SIZE_PX", "OneStyle", "Picture", "Stylized", "Stylizer"]

OneStyle = Picture | StylePixels | Mapping[str, jax.Array]
"""A picture, the path of a style file, or what `encode_style` or `prepare_style` of a
stylizer made."""
STYLE_SIZE_PX = 512
"""Styles are shrunk to this short side, the one the published programs use."""


class Stylizer:
    """Puts pictures into styles, with one model.

    Programs are compiled once for each size of content and of style. A batch is
    dealt out over the devices of this process.

    Args:
        model: As built.
        devices: To use; by default all of this process.
        split_rows: See `load`.
        file: What the model was built of, if style files are to be used.
        name: What messages and style files call the model.

    Example:
        >>> stylizer = Stylizer.load("model.safetensors")
        >>> stylizer("photo.jpg", "painting.jpg", alpha=0.8).save("out.png")
    """

    def __init__(
        self,
        model: Model,
        devices: Sequence[jax.Device] | None = None,
        *,
        split_rows: bool = False,
        file: ModelFile | None = None,
        name: str = "this model",
    ) -> None:
        devices = devices or local_devices()
        self._model, self._kept = model, KeptStyles(model, file, name)
        self.num_devices = 1 if split_rows else len(devices)
        programs = make_programs(model, devices, split_rows=split_rows)
        self._encode, self._run, self._run_batch = programs

    @classmethod
    def load(
        cls, weights: str | os.PathLike[str] = "adain", *, split_rows: bool = False
    ) -> Self:
        """The stylizer of a model file, or of weights that have a name.

        Args:
            weights: A file or a name.
            split_rows: Split every picture by rows between the devices of this
                process, for pictures too large for one; see `inference.split`.

        Raises:
            FileNotFoundError: If there is no such file or name.
            ValueError: If the file is damaged or of another architecture.
        """
        file, name = load_model(find_model(weights)), Path(weights).stem
        model = build_model(file, native=split_rows)
        return cls(model, split_rows=split_rows, file=file, name=name)

    def encode_style(self, style: OneStyle, size: int | None = None) -> Style:
        """All that the model keeps of a style, to be used for many contents.

        Args:
            style: A picture, a style file, or what this function returned.
            size: Short side in px to which the picture is resized; by default it
                is shrunk to `STYLE_SIZE_PX` if it is larger.

        Raises:
            ValueError: If `size` is given where there are no pixels, or a style
                file is damaged or of another model.
            FileNotFoundError: If a path leads nowhere.
        """
        if isinstance(style, Mapping) or is_style_file(style):
            if size is not None:
                raise needs_pixels("style_size", style)
            return style if isinstance(style, Mapping) else self._kept.load(style)  # type: ignore[arg-type]
        pixels = _see(style, size)
        return self._encode(*self._model[1:], jnp.asarray(pixels.image[None]))

    def save_style(
        self,
        style: OneStyle,
        path: str | os.PathLike[str],
        size: int | None = None,
        painting: str | None = None,
    ) -> StyleFile:
        """Writes a style file, which serves this model wherever a painting does.

        Args:
            style: As for `encode_style`.
            path: Ends in ".style"; an older file is replaced.
            size: The same.
            painting: What to call the picture; by default its file's name.

        Raises:
            ValueError: If the path ends otherwise, or as `encode_style` does.
            OSError: If the file cannot be written.
        """
        if painting is None:
            named = isinstance(style, str | os.PathLike)
            painting = Path(style).name if named else ""  # type: ignore[arg-type]
        return self._kept.save(path, self.encode_style(style, size), painting)

    def prepare_style(
        self, style: OneStyle, color: ColorMode = "style", size: int | None = None
    ) -> OneStyle:
        """A style read once for many contents: encoded, unless CORAL needs its pixels.

        Args:
            style: As for `encode_style`.
            color: As in the calls to come.
            size: Their `style_size`, which is then not to be given.
        """
        if color != "coral":
            return self.encode_style(style, size)
        if isinstance(style, Mapping) or is_style_file(style):
            raise needs_pixels('color="coral"', style)
        return _see(style, size)

    def __call__(
        self,
        content: Picture | Sequence[Picture],
        style: OneStyle | Sequence[OneStyle],
        **controls: Unpack[ControlArguments],
    ) -> Stylized:
        """The content in the style, or in a mix of styles, at the content's size.

        Args:
            content: A picture, or several of one size as a list or an array
                (b, h, w, 3).
            style: A picture, a style file, or what `encode_style` made of one; a
                list or tuple of these for a mix, or for the regions of masks.
            controls: See `controls.ControlArguments`. None is as if a control
                were not there.

        Raises:
            ValueError: If a control is not in its range or does not fit the styles,
                the method has no such control, a mask's region is empty, a picture
                is below 16 px, or a style file is of another model.
            FileNotFoundError: If a path leads nowhere.
        """
        several = isinstance(style, list | tuple) and not isinstance(style, PictureFile)
        styles: list[OneStyle] = list(style) if several else [style]  # type: ignore[arg-type, list-item]
        plan = make_plan(len(styles), **controls)
        self.check_extras(plan.extras)
        prepared = [self.prepare_style(s, plan.color, plan.style_size) for s in styles]
        with_alpha = plan.masking is not None and plan.masking.need_alpha
        contents, is_batch = load_contents(
            content, plan.size, restore_size=plan.restore_size, with_alpha=with_alpha
        )
        # What depends on a content itself is done for one after the other.
        apart = with_alpha or plan.color == "coral"
        groups = [[one] for one in contents] if apart else [contents]
        made = [x for group in groups for x in self._stylize(group, prepared, plan)]
        return Stylized(np.stack(made) if is_batch else made[0])

    def check_extras(self, extras: Mapping[str, float]) -> None:
        """Refuses controls that the method has not got, or outside [0, 1].

        Raises:
            ValueError: Naming the methods that have the control, or the value.
        """
        check_controls(self._model.method, extras)
        for name, value in extras.items():
            if not 0.0 <= value <= 1.0:
                raise ValueError(f"{name} must be in [0, 1], got {value}")

    def _stylize(
        self, contents: Sequence[Content], styles: Sequence[OneStyle], plan: Plan
    ) -> list[np.ndarray]:
        """Contents of one size, with the same masks and colours."""
        first = contents[0]
        height, width = first.image.shape[:2]
        regions = lay_masks(plan.masking, height, width, first.alpha)
        encoded = [
            self._encode_colored(style, first, regions, shares)
            for style, shares in zip(styles, np.transpose(plan.shares), strict=True)
        ]
        controls = plan.controls(regions.masks)
        images = np.stack([content.image for content in contents])
        if len(images) > 1:
            output = self._run_batch((encoded, controls), images)
        else:
            output = self._run(*self._model[1:], images, encoded, controls)
        return [
            finish(picture, content, regions, plan)
            for picture, content in zip(np.asarray(output), contents, strict=True)
        ]

    def _encode_colored(
        self, style: OneStyle, content: Content, regions: Regions, shares: np.ndarray
    ) -> Style:
        """A prepared style, encoded; in the content's colours if it has pixels."""
        if isinstance(style, Mapping):
            return style
        assert isinstance(style, StylePixels)
        image = jnp.asarray(style.image[None])
        if shares.any():
            image = color_style(style.image, content.image, regions, shares)
        return self._encode(*self._model[1:], image)


def _see(style: Picture | StylePixels, size: int | None) -> StylePixels:
    if isinstance(style, StylePixels):
        return style if size is None else StylePixels(resize(style.image, size))
    image = load_float(style)
    if size is None and min(image.shape[:2]) <= STYLE_SIZE_PX:
        return StylePixels(image)
    return StylePixels(resize(image, size or STYLE_SIZE_PX))
