"""The stylizer: stylizes pictures with a trained model."""

import functools
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Self, Unpack

import jax
import numpy as np

from styleflax.images.read import Picture as PictureFile
from styleflax.inference.color import (
    color_style,
    finish,
    match_again,
    target_region_masks,
)
from styleflax.inference.contents import (
    Content,
    Picture,
    StylePixels,
    Stylized,
    load_contents,
)
from styleflax.inference.controls import (
    ColorMode,
    ControlArguments,
    Plan,
    make_plan,
)
from styleflax.inference.masks.layout import RegionMasks
from styleflax.inference.masks.read import Mask
from styleflax.inference.render import Renderer
from styleflax.inference.styles.encode import STYLE_SIZE_PX, StyleEncoder, StyleFiles
from styleflax.inference.styles.file import StyleFile
from styleflax.memory import refuse_fork
from styleflax.methods.base import Style
from styleflax.methods.model import Model, build_model, check_controls
from styleflax.ops.color_match import has_palette
from styleflax.weights.store import ModelFile, find_model, load_model

if TYPE_CHECKING:
    from styleflax.inference.gatys.refine import Refiner

__all__ = ["STYLE_SIZE_PX", "OneStyle", "Picture", "Stylized", "Stylizer"]

OneStyle = Picture | StylePixels | Mapping[str, jax.Array] | int | None
"""A picture, the path of a style file, or what `encode_style` or `prepare_style`
returned; for a model with built-in styles, the name or the number (from 1) of a style,
or None for the only one."""


class Stylizer:
    """Stylizes pictures with one model.

    Small pictures are processed whole; large pictures, and pictures of many different
    sizes, in tiles (see `inference.render`). A batch is distributed over the devices of
    this process.

    Args:
        model: What `build_model` returned.
        devices: Devices to use; by default all of this process.
        split_rows: Whether to split images by rows over devices.
        tile_px: Side of tiles in px; 0 for none, None to choose it.
        file: The model file, for style files and the defaults of controls; without it,
            both are disabled.
        name: Name of the model in messages and style files.

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
        tile_px: int | None = None,
        file: ModelFile | None = None,
        name: str = "this model",
    ) -> None:
        refuse_fork()
        devices = devices or jax.local_devices()
        self._model = model
        self.num_devices = 1 if split_rows else len(devices)
        self._renderer = Renderer(model, devices, tile_px, split_rows=split_rows)
        kept, encode = StyleFiles(model, file, name), self._renderer.programs.encode
        self._styles = StyleEncoder(model, kept, encode)
        self._on_step: Callable[[int, int], None] | None = None
        self._defaults = {} if file is None else file.defaults
        self._knows_palettes = file is not None and bool(file.palettes)
        self._has_warned = False

    @classmethod
    def load(
        cls,
        weights: str | os.PathLike[str] = "adain",
        *,
        split_rows: bool = False,
        tile_px: int | None = None,
    ) -> Self:
        """Returns the stylizer of a model file or of named weights.

        Args:
            weights: A file, a name, or a URL: `hf://USER/REPO[@REVISION]/FILE` or
                `https://HOST/FILE`, downloaded once; see `weights.registry`.
            split_rows: Split every picture by rows over the devices of this process,
                for pictures too large for one device; see `inference.render`.
            tile_px: Side of the tiles of all pictures: for AdaIN a multiple of 8, at
                least 136; for SANet a multiple of 16, at least 272; 0 processes
                pictures whole. By default it is chosen for each picture.

        Raises:
            FileNotFoundError: If there is no such file or name.
            ValueError: If the file is damaged or of another architecture, or the tiles
                are too small.
        """
        file, name = load_model(find_model(weights)), Path(weights).stem
        model = build_model(file, native=split_rows)
        return cls(model, split_rows=split_rows, tile_px=tile_px, file=file, name=name)

    def expect(self, num_sizes: int) -> None:
        """Announces how many sizes the next pictures have; see `Sizes.expect`."""
        self._renderer.sizes.expect(num_sizes)

    def watch(
        self,
        announce: Callable[[str], None],
        on_window: Callable[[int, int], None] | None = None,
        on_step: Callable[[int, int], None] | None = None,
    ) -> None:
        """Sets callbacks for the progress of large pictures and of refinement.

        Args:
            announce: Receives messages before long work; by default they are logged.
            on_window: Called with the number of finished tiles and of all tiles.
            on_step: Called with the number of finished refinement steps and of all.
        """
        self._renderer.announce, self._renderer.on_window = announce, on_window
        self._on_step = on_step

    def encode_style(
        self, style: OneStyle, size: int | None = None, mask: Mask | None = None
    ) -> Style:
        """Returns a style encoded by the model, for any number of contents.

        Args:
            style: A picture, a style file, or what this function returned.
            size: Short side in px to which the picture is resized; by default it
                is shrunk to `STYLE_SIZE_PX` if it is larger.
            mask: The part of the picture to use, of any size; by default all of it.

        Raises:
            ValueError: If `size` or `mask` is given for a style without pixels, the
                mask is empty, or a style file is damaged or of another model.
            FileNotFoundError: If a file is missing.
        """
        return self._styles.encode(style, size, mask)

    def save_style(
        self,
        style: OneStyle,
        path: str | os.PathLike[str],
        size: int | None = None,
        painting: str | None = None,
        mask: Mask | None = None,
    ) -> StyleFile:
        """Writes a style file, which this model accepts in place of the painting.

        Args:
            style: As for `encode_style`.
            path: Ends in ".style"; an older file is replaced.
            size: As for `encode_style`.
            painting: Name of the picture in the file; by default its file name.
            mask: As for `encode_style`.

        Raises:
            ValueError: If the path ends otherwise, or as `encode_style` does.
            OSError: If the file cannot be written.
        """
        return self._styles.save(style, path, size, painting, mask)

    def prepare_style(
        self,
        style: OneStyle,
        color: ColorMode = "style",
        size: int | None = None,
        mask: Mask | None = None,
        *,
        refine: bool = False,
    ) -> OneStyle:
        """Returns a style prepared for many contents: encoded, or as pixels if needed.

        CORAL and the refinement of results need the pixels.

        Args:
            style: As for `encode_style`.
            color: The `color` of the calls that will use the style.
            size: The `style_size` of these calls, which must then omit it.
            mask: The style's mask in these calls, which must then omit it.
            refine: Whether the results of these calls will be refined.

        Raises:
            ValueError: If pixels are needed and the style has none.
        """
        return self._styles.prepare(style, color, size, mask, refine=refine)

    def __call__(
        self,
        content: Picture | Sequence[Picture],
        style: OneStyle | Sequence[OneStyle] = None,
        **controls: Unpack[ControlArguments],
    ) -> Stylized:
        """Returns the content in a style or a mix of styles, at the content's size.

        Args:
            content: A picture, or several of one size as a list or an array
                (b, h, w, 3).
            style: A picture, a style file, or what `encode_style` returned; a list or
                tuple of these for a mix, or for the regions of masks.
            controls: See `controls.ControlArguments`; None is the same as omitting a
                control.

        Raises:
            ValueError: If a control is not in its range or does not fit the styles,
                the method has no such control, a mask's region is empty, a picture
                is below 16 px, or a style file is of another model.
            FileNotFoundError: If a file is missing.
            NotEnoughMemoryError: If memory does not suffice; says what to do.
            ForkedProcessError: If the process was forked after the first use of JAX.
        """
        several = isinstance(style, list | tuple) and not isinstance(style, PictureFile)
        styles: list[OneStyle] = list(style) if several else [style]  # type: ignore[arg-type, list-item]
        plan = self.plan(len(styles), **controls)
        return self.run(plan, self.read_styles(styles, plan), content)

    def plan(self, num_styles: int = 1, **controls: Unpack[ControlArguments]) -> Plan:
        """Returns the plan of calls with these controls, checked and completed.

        Args:
            num_styles: Number of styles in each of the calls.
            controls: Controls; see `controls.ControlArguments`.

        Raises:
            ValueError: If a control is not in its range or does not fit the styles, or
                the method lacks it.
            FileNotFoundError: If the file of a mask is missing.

        Example:
            >>> plan = stylizer.plan(1, alpha=0.8)
            >>> styles = stylizer.read_styles(["painting.jpg"], plan)
            >>> made = [stylizer.run(plan, styles, photo) for photo in photos]
        """
        plan = make_plan(num_styles, **controls)
        self.check_plan(plan)
        return plan

    def read_styles(
        self,
        styles: Sequence[OneStyle],
        plan: Plan,
        masks: Sequence[Mask | None] | None = None,
    ) -> list[OneStyle]:
        """Returns styles as `run` takes them, read and encoded once for many contents.

        Args:
            styles: Pictures, style files, or what `encode_style` returned.
            plan: The plan of the calls.
            masks: For every style, the mask of the part to use; by default those of the
                plan.

        Raises:
            ValueError: If a style cannot be used, or lacks the pixels that are needed.
            FileNotFoundError: If a file is missing.
        """
        masks = plan.style_masks if masks is None else masks
        looks, refine = (plan.color, plan.style_size), plan.refine > 0
        return [
            self.prepare_style(style, *looks, mask, refine=refine)
            for style, mask in zip(styles, masks, strict=True)
        ]

    def run(
        self,
        plan: Plan,
        styles: Sequence[OneStyle],
        content: Picture | Sequence[Picture],
    ) -> Stylized:
        """Returns the content in the styles.

        Args:
            plan: What `plan` returned.
            styles: What `read_styles` returned for the plan.
            content: A picture, or several of one size as a list or an array
                (b, h, w, 3).

        Raises:
            ValueError: If a mask's region is empty, or a picture is below 16 px.
            FileNotFoundError: If a file is missing.
            NotEnoughMemoryError: If memory does not suffice; says what to do.
            ForkedProcessError: If the process was forked after the first use of JAX.
        """
        refuse_fork()
        plan = self.complete_plan(plan, styles)
        with_alpha = plan.mask_set is not None and plan.mask_set.need_alpha
        contents, is_batch = load_contents(
            content, plan.size, restore_size=plan.restore_size, with_alpha=with_alpha
        )
        # What depends on a content itself is done for one after the other.
        apart = with_alpha or plan.color == "coral"
        groups = [[one] for one in contents] if apart else [contents]
        images = [x for group in groups for x in self._stylize(group, styles, plan)]
        if not is_batch:
            return Stylized(images[0])
        # One is not copied, as it may be large.
        return Stylized(np.stack(images) if len(images) > 1 else images[0][None])

    def check_plan(self, plan: Plan) -> None:
        """Refuses what the method cannot do, naming the methods that can."""
        known = {"color_match"} if self._knows_palettes else set()
        if missing := plan.used_controls() - known:
            check_controls(self._model.method, missing)

    @functools.cached_property
    def _refiner(self) -> "Refiner":
        # Late, as only refinement needs optax, which takes half a second.
        from styleflax.inference.gatys.refine import Refiner  # noqa: PLC0415

        return Refiner()

    def complete_plan(self, plan: Plan, styles: Sequence[OneStyle]) -> Plan:
        """Returns the plan with the model's own defaults of `color_match` and `detail`.

        Args:
            plan: What `plan` returned.
            styles: What `prepare_style` returned for it. Style files of version 0.1
                lack the painting's colors; a message says so once.
        """
        plan = plan.completed(self._defaults)
        lacking = any(isinstance(x, Mapping) and not has_palette(x) for x in styles)
        if not plan.color_match or not lacking:
            return plan
        if not self._has_warned:
            self._has_warned = True
            self._renderer.announce(
                "a style file of an earlier version lacks the painting's colors, and "
                "the color step is left out: make the file again from the painting by "
                "`styleflax style save`"
            )
        return plan._replace(color_match=0.0)

    def _stylize(
        self, contents: Sequence[Content], styles: Sequence[OneStyle], plan: Plan
    ) -> list[np.ndarray]:
        """Contents of one size, with the same masks and colors."""
        first = contents[0]
        height, width = first.image.shape[:2]
        masks = None
        if plan.mask_set is not None:
            masks = RegionMasks(plan.mask_set, height, width, first.alpha)
        prepared = list(styles)
        if plan.color == "coral":
            prepared = [
                color_style(style, first.image, masks, shares)
                for style, shares in zip(styles, np.transpose(plan.shares), strict=True)
            ]
        encoded = [self.encode_style(style) for style in prepared]
        images = self._renderer.render(contents, encoded, plan, masks)
        if plan.refine:
            pixels = [style for style in prepared if isinstance(style, StylePixels)]
            images = [
                self._refiner(picture, content, pixels, plan, masks, self._on_step)
                for picture, content in zip(images, contents, strict=True)
            ]
            for picture in images:
                match_again(picture, encoded, plan, masks)
        if masks is None and not (first.is_resized or plan.takes_colors):
            return images
        masks = target_region_masks(masks, first, plan)
        pairs = zip(images, contents, strict=True)
        return [finish(picture, content, masks, plan) for picture, content in pairs]
