"""Whole pictures, batches, rows over devices or windows: one program for each."""

import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from styleflax.compile_cache.jit import kept_jit
from styleflax.inference.contents import Content, as_floats
from styleflax.inference.controls import Plan
from styleflax.inference.masks.layout import WHOLE, LaidMasks
from styleflax.inference.model import Model
from styleflax.inference.render.sizes import SMALL_TILE_PX, Sizes, notable_cost
from styleflax.inference.tiles.tiling import stylize_tiled
from styleflax.memory import NotEnoughMemoryError, explained_memory
from styleflax.methods.base import (
    Controls,
    Method,
    Style,
    Variables,
    encode_painting,
    stylize,
)
from styleflax.parallel import RowSplit, devices_for, map_rows
from styleflax.types import Image, Params

Run = Callable[
    [Variables, Params, Image | np.ndarray, Sequence[Style], Controls],
    jax.Array | np.ndarray,
]


class Programs(NamedTuple):
    """What a stylizer runs; each is compiled once for a size.

    Attributes:
        encode: (variables, frozen, inputs) -> style; see `encode_painting`.
        run: (variables, frozen, contents, styles, controls) -> RGB in [0, 1].
        run_batch: ((styles, controls), contents) -> the same, dealt out over the
            devices.
    """

    encode: Callable[[Variables, Params, Mapping[str, Any]], Style]
    run: Run
    run_batch: Callable[[Any, np.ndarray], jax.Array | np.ndarray]


def make_programs(
    model: Model, devices: Sequence[jax.Device], *, split_rows: bool
) -> Programs:
    """The programs of a model on these devices; rows split as in `split`."""
    method = model.method

    @kept_jit
    def encode(
        variables: Variables, frozen: Params, inputs: Mapping[str, Any]
    ) -> Style:
        return encode_painting(method, variables, frozen, inputs)

    @kept_jit
    def run(
        variables: Variables,
        frozen: Params,
        content: Image,
        styles: Sequence[Style],
        controls: Controls,
    ) -> Image:
        image = stylize(method, variables, frozen, content, styles, controls)
        return jnp.clip(image, 0.0, 1.0)

    if split_rows:
        split_run = make_split_run(method, devices)
        return Programs(
            encode,
            split_run,
            lambda applied, content: split_run(*model[1:], content, *applied),
        )
    # A single image runs on the first device directly.
    run_batch = map_rows(
        lambda model, applied, content: run(*model, content, *applied),
        model[1:],
        devices,
    )
    return Programs(encode, run, run_batch)


def make_split_run(method: Method, devices: Sequence[jax.Device]) -> Run:
    """`run(variables, frozen, content, styles, controls)` -> RGB in [0, 1].

    Contents are split by rows, and the result is that of the whole picture: halos
    and statistics are exchanged at every layer. Encoded styles, and all parameters,
    are on every device. Small pictures use fewer devices; see `devices_for`.

    Args:
        method: Built with `native=True`.
        devices: Devices of this process.
    """
    splits: dict[int, RowSplit] = {}

    def whole(arguments: Any, content: Image) -> Image:
        variables, frozen, styles, controls = arguments
        image = stylize(method, variables, frozen, content, styles, controls)
        return jnp.clip(image, 0.0, 1.0)

    def run(
        variables: Variables,
        frozen: Params,
        content: Image | np.ndarray,
        styles: Sequence[Style],
        controls: Controls,
    ) -> np.ndarray:
        used = devices_for(content.shape[1], devices)
        if len(used) not in splits:
            splits[len(used)] = RowSplit(whole, used)
        arguments = (variables, frozen, list(styles), controls)
        return splits[len(used)](arguments, np.asarray(content))

    return run


logger = logging.getLogger(__name__)


class Renderer:
    """One model's programs, and which of them serves which picture.

    Attributes:
        programs: See `inference.render.renderer`.
        announce: Told what takes long, before it begins.
        on_window: Called with the number of windows done, and of all.

    Args:
        model: As built.
        devices: To use.
        tile_px: See `inference.render.sizes`.
        split_rows: See `inference.render.renderer`; pictures are then whole ones.

    Raises:
        ValueError: If windows cannot be of that size, or rows are to be split, too.
    """

    def __init__(
        self,
        model: Model,
        devices: Sequence[jax.Device],
        tile_px: int | None,
        *,
        split_rows: bool,
    ) -> None:
        if split_rows and tile_px:
            raise ValueError(
                "a picture is split by rows or into tiles, not both: leave out "
                "--split-rows (split_rows) or --tile (tile_px)"
            )
        self._model, self._split_rows = model, split_rows
        self.sizes = Sizes(0 if split_rows else tile_px, model.method.tiling)
        self.programs = make_programs(model, devices, split_rows=split_rows)
        self.announce: Callable[[str], None] = logger.warning
        self.on_window: Callable[[int, int], None] | None = None

    def render(
        self,
        contents: Sequence[Content],
        styles: Sequence[Style],
        plan: Plan,
        masks: LaidMasks | None,
    ) -> list[Float[np.ndarray, "h w 3"]]:
        """The contents in the styles, RGB in [0, 1].

        Args:
            contents: Contents of one size.
            styles: As the method encoded them.
            plan: What was asked for.
            masks: Masks at the size of the contents; None for all of them.

        Raises:
            NotEnoughMemoryError: If they do not fit into memory. Where windows were
                not ruled out, smaller ones are tried before.
        """
        height, width, _ = contents[0].image.shape
        arguments = styles, plan, masks
        while True:
            tile_px = self.sizes.tile_for(len(contents), height, width)
            try:
                with explained_memory(*self._explain(contents, tile_px)):
                    if not tile_px:
                        return self._whole(contents, *arguments)
                    return [
                        self._through_windows(one, *arguments, tile_px)
                        for one in contents
                    ]
            except NotEnoughMemoryError as error:
                if not self.sizes.shrink(tile_px, height, width):
                    raise
                smaller = self.sizes.tile_for(len(contents), height, width)
                self.announce(
                    f"{error.doing} {error.lack}; it goes through windows of "
                    f"{smaller} px instead"
                )

    def _explain(self, contents: Sequence[Content], tile_px: int) -> tuple[str, str]:
        """What is being done, and what to do where it does not fit into memory."""
        height, width, _ = contents[0].image.shape
        picture = f"a picture of {width} x {height} px"
        if len(contents) > 1:
            picture = f"{len(contents)} pictures of {width} x {height} px"
        if tile_px:
            smaller = self.sizes.smaller(tile_px)
            advice = (
                "" if smaller is None else f"smaller windows (--tile {smaller}) or "
            )
            doing = f"stylizing {picture} through windows of {tile_px} px"
            return doing, f"use {advice}a smaller image (--size)"
        doing = f"stylizing {picture} as a whole"
        if self._split_rows:
            return doing, "use a smaller image (--size), or more devices"
        if not self.sizes.has_windows:
            return doing, "use a smaller image (--size), or a method with windows"
        return doing, (
            f"use windows (--tile {SMALL_TILE_PX}; in Python tile_px={SMALL_TILE_PX}) "
            "or a smaller image (--size)"
        )

    def _whole(
        self,
        contents: Sequence[Content],
        styles: Sequence[Style],
        plan: Plan,
        masks: LaidMasks | None,
    ) -> list[Float[np.ndarray, "h w 3"]]:
        height, width, _ = contents[0].image.shape
        controls = plan.controls(WHOLE if masks is None else masks[:, :])
        images = np.stack([as_floats(content.image) for content in contents])
        cost = notable_cost(self._model, len(images), height, width, controls)
        if cost is not None:
            self.announce(cost)
        if len(images) > 1:
            output = self.programs.run_batch((styles, controls), images)
        else:
            output = self.programs.run(*self._model[1:], images, styles, controls)
        return list(np.asarray(output))

    def _through_windows(
        self,
        content: Content,
        styles: Sequence[Style],
        plan: Plan,
        masks: LaidMasks | None,
        tile_px: int,
    ) -> Float[np.ndarray, "h w 3"]:
        controls = plan.controls(WHOLE)
        if masks is not None:  # which stay on the host, and are never there as a whole
            regions = np.broadcast_to(WHOLE, (masks.shape[0], 1, 1))
            controls = plan.controls(regions)._replace(masks=masks)  # type: ignore[arg-type]
        return stylize_tiled(
            self._model,
            content.image,
            styles,
            controls,
            tile_px=tile_px,
            out=np.empty(content.image.shape, np.float32),
            announce=self.announce,
            on_window=self.on_window,
        )
