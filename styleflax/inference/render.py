"""Whole pictures, batches, rows over devices or windows: one program for each.

`Sizes` says which pictures are seen whole and which through windows; `Renderer` runs
the program for it.
"""

import functools
import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from styleflax.compile_cache.jit import cached_jit
from styleflax.inference.contents import Content, ensure_float
from styleflax.inference.controls import Plan
from styleflax.inference.masks.layout import WHOLE, RegionMasks
from styleflax.inference.tiles.tiling import stylize_tiled
from styleflax.inference.tiles.windows import (
    TILE_PX,
    check_tile,
    count_windows,
    smallest_tile,
)
from styleflax.memory import NotEnoughMemoryError, explain_memory_errors
from styleflax.methods.base import (
    Controls,
    Method,
    Style,
    Tiling,
    Variables,
    encode_painting,
    stylize,
)
from styleflax.methods.model import Model, notable_cost
from styleflax.parallel import RowSplit, devices_for, map_rows
from styleflax.types import Image, Params

logger = logging.getLogger(__name__)

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

    @cached_jit
    def encode(
        variables: Variables, frozen: Params, inputs: Mapping[str, Any]
    ) -> Style:
        return encode_painting(method, variables, frozen, inputs)

    @cached_jit
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

    @functools.cache  # so that one image at a time needs no copies of the parameters
    def dealt_out() -> Callable[[Any, np.ndarray], jax.Array | np.ndarray]:
        return map_rows(
            lambda model, applied, content: run(*model, content, *applied),
            model[1:],
            devices,
        )

    def run_batch(applied: Any, contents: np.ndarray) -> jax.Array | np.ndarray:
        return dealt_out()(applied, contents)

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


WHOLE_MAX_PX = 2**21
"""Larger pictures are never seen whole of themselves: this takes about 3 GB."""
WHOLE_SIZES = 2
"""Images are processed whole only if there are at most this many distinct sizes (for
example of one camera, portrait and landscape), as every size is compiled anew."""
LADDER = (160, 256, 512, TILE_PX)
"""Sides of windows that are chosen: few, as each compiles its own programs, and close
enough that a small picture does not fill a small part of its window."""
SMALL_TILE_PX = LADDER[-2]
"""The largest for pictures of up to `SMALL_MAX_PX`; the smallest for larger ones."""
SMALL_MAX_PX = 2**22


class Sizes:
    """What one stylizer has seen, and how it is to see what comes.

    Args:
        tile_px: Side of the windows of all pictures, 0 for none at all, or None to
            choose for each picture.
        tiling: Tiling of the method.

    Raises:
        ValueError: If the method has no such windows.
    """

    def __init__(self, tile_px: int | None, tiling: Tiling | None) -> None:
        if tile_px:
            if tiling is None:
                raise ValueError(
                    "the model's method needs whole pictures: tile_px=0 (leave out "
                    "--tile, or give 0)"
                )
            check_tile(tile_px, tiling)
        self._forced, self._tiling = (0 if tiling is None else tile_px), tiling
        self._whole: set[tuple[int, int]] = set()
        # What memory suffices for, as far as it has been tried.
        self._whole_max_px, self._tile_max_px = WHOLE_MAX_PX, TILE_PX
        self._is_expecting_many = False

    def expect(self, num_sizes: int) -> None:
        """Prepares for images of this many sizes.

        Where they are more than `WHOLE_SIZES`, none is seen whole, not even the first,
        so that the programs are those that any later picture needs, too.
        """
        self._is_expecting_many = num_sizes > WHOLE_SIZES

    def tile_for(self, number: int, height: int, width: int) -> int:
        """Side of the windows of pictures of that size, or 0 for whole ones.

        Args:
            number: Number of pictures at once; a batch is one program.
            height: Height of each, in px.
            width: Width of each, in px.
        """
        if self._forced is not None:
            return self._forced
        if height * width > self._whole_max_px:
            return self._choose(height, width)
        if number == 1 and (height, width) not in self._whole:
            if self._is_expecting_many or len(self._whole) == WHOLE_SIZES:
                return self._choose(height, width)
            self._whole.add((height, width))
        return 0

    def _choose(self, height: int, width: int) -> int:
        """The side of windows that show the fewest px in all."""
        tiling = self._tiling
        assert tiling is not None  # or the choice would be forced
        if height * width > SMALL_MAX_PX:
            return min(LADDER[-1], self._tile_max_px)
        most = min(SMALL_TILE_PX, self._tile_max_px)
        allowed = [side for side in (*LADDER, most) if side <= most]
        counts = {s: count_windows(height, width, s, tiling) for s in allowed}
        costs = {s: count * s**2 for s, count in counts.items() if count is not None}
        # A larger window that shows as much has less of it margin.
        return min(costs, key=lambda side: (costs[side], -side), default=most)

    def shrink(self, tile_px: int, height: int, width: int) -> bool:
        """Takes note that memory did not suffice; whether a retry may do with less.

        Args:
            tile_px: Side of the windows that did not fit, or 0 for the whole picture.
            height: Height of the picture, in px.
            width: Width of the picture, in px.
        """
        if self._forced is not None:
            return False
        if not tile_px:
            self._whole_max_px = min(self._whole_max_px, height * width - 1)
            return True
        smaller = self.smaller(tile_px)
        self._tile_max_px = smaller or self._tile_max_px
        return smaller is not None

    def smaller(self, tile_px: int) -> int | None:
        """Half that window's side, if the method has such windows."""
        tiling = self._tiling
        if tiling is None or tile_px // 2 < smallest_tile(tiling):
            return None
        return tile_px // 2 // tiling.stride_px * tiling.stride_px

    @property
    def has_windows(self) -> bool:
        """Whether the method can work on windows at all."""
        return self._tiling is not None


class Renderer:
    """One model's programs, and which of them serves which picture.

    Attributes:
        programs: Compiled programs of the model.
        announce: Told what takes long, before it begins.
        on_window: Called with the number of windows done, and of all.

    Args:
        model: As built.
        devices: To use.
        tile_px: See `Sizes`.
        split_rows: See `make_split_run`; pictures are then whole ones.

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
        tiling = model.method.tiling
        self._attends = tiling is not None and tiling.attend is not None
        self.programs = make_programs(model, devices, split_rows=split_rows)
        self.announce: Callable[[str], None] = logger.warning
        self.on_window: Callable[[int, int], None] | None = None

    def render(
        self,
        contents: Sequence[Content],
        styles: Sequence[Style],
        plan: Plan,
        masks: RegionMasks | None,
    ) -> list[Float[np.ndarray, "h w 3"]]:
        """The contents in the styles, RGB in [0, 1].

        Args:
            contents: Contents of one size.
            styles: As the method encoded them.
            plan: The controls.
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
                with explain_memory_errors(*self._explain(contents, tile_px)):
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
        masks: RegionMasks | None,
    ) -> list[Float[np.ndarray, "h w 3"]]:
        height, width, _ = contents[0].image.shape
        controls = plan.controls(WHOLE if masks is None else masks[:, :])
        images = np.stack([ensure_float(content.image) for content in contents])
        if self._attends:
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
        masks: RegionMasks | None,
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
