"""How much of an array a picture fills: programs of one size, pictures of any.

A program compiled for one size of array serves pictures of every size, if at each
layer what lies right of and below the picture is refilled with what a program of the
picture's own size would have put there. That is one row and one column: nothing here
reaches further than a 3x3 convolution does.
"""

from typing import NamedTuple

import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float, Int


class Extent(NamedTuple):
    """Rows and columns of an array that are a picture's, from its upper left corner.

    What lies beyond is filler: finite numbers, which no position of the picture may
    depend on. Where the picture goes on beyond the array, its extent is larger.

    Attributes:
        rows: At least 1.
        columns: At least 1.
    """

    rows: Int[Array, ""]
    columns: Int[Array, ""]

    def shrunk(self, factor: int) -> "Extent":
        """The extent after pools that round up, by `factor` in all."""
        return Extent(-(-self.rows // factor), -(-self.columns // factor))

    def grown(self, factor: int) -> "Extent":
        """The extent of a map enlarged by `factor`."""
        return Extent(self.rows * factor, self.columns * factor)


def refill(
    x: Float[Array, "b h w c"], extent: Extent, inner: int
) -> Float[Array, "b h w c"]:
    """The map with the row and the column just beyond its extent made from within.

    Args:
        x: A map; where its extent is as large or larger, nothing changes.
        extent: What of it is the picture's.
        inner: How far inside the edge the copy is taken from. 1 reflects, for a 3x3
            convolution; 0 repeats the edge, for a pool (where it does what minus
            infinity does) and for a convolution of the enlarged map. A side of
            length 1 repeats its one position, as `ops.conv.reflect_pad` does.
    """
    for axis, size in ((1, extent.rows), (2, extent.columns)):
        source = jnp.maximum(size - 1 - inner, 0)
        copy = lax.dynamic_slice_in_dim(x, source, 1, axis)
        # One line is written, not the whole map: its own last one, if the picture ends
        # no sooner, as a start beyond the array would be moved back into it.
        last = x.shape[axis] - 1
        target = jnp.minimum(size, last)
        own = lax.dynamic_slice_in_dim(x, target, 1, axis)
        line = jnp.where(size > last, own, copy)
        x = lax.dynamic_update_slice_in_dim(x, line, target, axis)
    return x
