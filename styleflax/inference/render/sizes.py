"""Which pictures are seen whole, and which through windows of which size.

A program of the whole picture is the fastest, but it is compiled for one size and takes
memory for all of it; a window's serves pictures of any size.
"""

from styleflax.inference.tiles.tiling import TILE_PX
from styleflax.inference.tiles.windows import check_tile
from styleflax.methods.base import Tiling

WHOLE_MAX_PX = 2**21
"""Larger pictures are never seen whole of themselves: this takes about 3 GB."""
WHOLE_SIZES = 2
"""Of so many sizes pictures are seen whole, as in a folder of one camera's, upright and
not. Where there are more, windows take less time than compiling would."""
SMALL_TILE_PX = 512
"""Side of the windows of pictures of up to `SMALL_MAX_PX`; of larger ones `TILE_PX`."""
SMALL_MAX_PX = 2**22


class Sizes:
    """What one stylizer has seen, and how it is to see what comes.

    Args:
        tile_px: Side of the windows of all pictures, 0 for none at all, or None to
            choose for each picture.
        tiling: Of the method.

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
        self._forced = 0 if tiling is None else tile_px
        self._whole: set[tuple[int, int]] = set()
        self._is_expecting_many = False

    def expect(self, num_sizes: int) -> None:
        """Takes note that pictures of so many sizes will come.

        Where they are more than `WHOLE_SIZES`, none is seen whole, not even the first,
        so that the programs are those that any later picture needs, too.
        """
        self._is_expecting_many = num_sizes > WHOLE_SIZES

    def tile_for(self, number: int, height: int, width: int) -> int:
        """Side of the windows of pictures of that size, or 0 for whole ones.

        Args:
            number: Of pictures at once; a batch is one program.
            height: Of each, in px.
            width: The same.
        """
        if self._forced is not None:
            return self._forced
        if height * width > WHOLE_MAX_PX:
            return SMALL_TILE_PX if height * width <= SMALL_MAX_PX else TILE_PX
        if number == 1 and (height, width) not in self._whole:
            if self._is_expecting_many or len(self._whole) == WHOLE_SIZES:
                return SMALL_TILE_PX
            self._whole.add((height, width))
        return 0
