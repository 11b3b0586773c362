"""Which pictures are seen whole and which through windows, and what attention costs."""

import jax
import jax.numpy as jnp
import numpy as np

from styleflax.inference.model import Model
from styleflax.inference.tiles.windows import (
    TILE_PX,
    check_tile,
    count_windows,
    smallest_tile,
)
from styleflax.methods.base import Controls, Tiling

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


NOTABLE_FLOPS = 1e12
"""A few seconds of a few CPU cores; less is not worth a word."""


def attends_to_itself(model: Model, controls: Controls) -> bool:
    """Whether the content is attended to: at strengths but 1, by some methods."""
    tiling = model.method.tiling
    other = np.any(np.asarray(controls.strength) != 1)
    return tiling is not None and tiling.attend is not None and bool(other)


def notable_cost(
    model: Model, count: int, height: int, width: int, controls: Controls
) -> str | None:
    """A warning of what that costs for whole pictures; None if it costs little.

    Args:
        model: Model of any method.
        count: Number of pictures.
        height: Height of each in px.
        width: Width of each in px.
        controls: The controls; only their strengths count.
    """
    if not attends_to_itself(model, controls):
        return None
    image = jax.ShapeDtypeStruct((1, height, width, 3), jnp.float32)
    features = jax.eval_shape(model.method.encode_content, *model[1:], image)
    flops = count * sum(
        4.0 * len(controls.strength) * (h * w) ** 2 * channels
        for _, h, w, channels in (feature.shape for feature in features.values())
    )
    if flops < NOTABLE_FLOPS:
        return None
    each = "" if count == 1 else f" (each of {count})"
    return f"{of_picture(height, width)}{each} take {in_teraflops(flops)}"


def of_picture(height: int, width: int) -> str:
    """The beginning of every such warning."""
    return (
        "a strength other than 1 (or areas without a mask) adds self-attention over "
        f"the whole image: {width} x {height} px"
    )


def in_teraflops(flops: float) -> str:
    """Their end."""
    return f"{flops / 1e12:.3g} teraflops in addition"
