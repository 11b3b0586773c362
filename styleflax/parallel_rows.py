"""One picture over many devices: programs whose arrays are split by rows.

XLA partitions the program: it sends the rows that convolutions need of the next
device's part and adds up statistics over all of them. Beside `parallel`, the only
module that names a mesh.
"""

from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec
from jaxtyping import Float

from styleflax.ops.conv import ROW_SPLIT

MIN_ROWS_PX = 64
"""Fewest rows of a part: eight of relu4_1, more than any device must pass on."""


def devices_for(height: int, devices: Sequence[jax.Device]) -> list[jax.Device]:
    """As many devices as a picture of that height is worth splitting between.

    A divisor of `ops.conv.ROW_SPLIT`, such that each has `MIN_ROWS_PX` rows or more;
    one device, if the picture is smaller than two parts.
    """
    counts = (n for n in range(len(devices), 1, -1) if ROW_SPLIT % n == 0)
    fitting = (n for n in counts if height >= n * MIN_ROWS_PX)
    return list(devices[: next(fitting, 1)])


class RowSplit:
    """`split(arguments, image)`: a function of an image, run on parts of its rows.

    Compiled once for each size. A height that does not divide leaves the last
    devices fewer rows: the image is lengthened on the host and cut again inside the
    program, before anything sees the rows that were added.
    """

    def __init__(
        self, function: Callable[[Any, Any], Any], devices: Sequence[jax.Device]
    ) -> None:
        """Takes `(arguments, image (b, h, w, 3))` -> an image of that size.

        The function must be XLA's own operations throughout (`native=True` in
        methods), which XLA can split; `arguments` are whole on every device.
        """
        mesh = Mesh(np.asarray(devices), ("rows",))
        self._num_parts = len(devices)
        self._whole = NamedSharding(mesh, PartitionSpec())
        self._rows = NamedSharding(mesh, PartitionSpec(None, "rows"))

        def padded(arguments: Any, image: Any, height: int) -> Any:
            made = function(arguments, image[:, :height])
            return self._lengthen(jnp, made)

        self._program = jax.jit(padded, static_argnums=2, out_shardings=self._rows)

    def __call__(
        self, arguments: Any, image: Float[np.ndarray, "b h w 3"]
    ) -> Float[np.ndarray, "b h w 3"]:
        """The function's image, on the host."""
        height = image.shape[1]
        made = self._program(*self._placed(arguments, image), height)
        return np.asarray(made)[:, :height]

    def compile(self, arguments: Any, image: np.ndarray) -> jax.stages.Compiled:
        """The program for images of that size, for inspection."""
        placed = self._placed(arguments, image)
        return self._program.lower(*placed, image.shape[1]).compile()

    def _placed(self, arguments: Any, image: np.ndarray) -> tuple[Any, Any]:
        image = self._lengthen(np, image)
        return (
            jax.device_put(arguments, self._whole),
            jax.device_put(image, self._rows),
        )

    def _lengthen(self, numpy: Any, image: Any) -> Any:
        margin = -image.shape[1] % self._num_parts
        return numpy.pad(image, ((0, 0), (0, margin), (0, 0), (0, 0)))
