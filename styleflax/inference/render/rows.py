"""A picture too large for one device, stylized by several together."""

from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from styleflax.methods.base import Controls, Method, Style, Variables, stylize
from styleflax.parallel_rows import RowSplit, devices_for
from styleflax.types import Image, Params

Run = Callable[
    [Variables, Params, Image | np.ndarray, Sequence[Style], Controls],
    jax.Array | np.ndarray,
]


def make_split_run(method: Method, devices: Sequence[jax.Device]) -> Run:
    """`run(variables, frozen, content, styles, controls)` -> RGB in [0, 1].

    Contents are split by rows, and the result is that of the whole picture: halos
    and statistics are exchanged at every layer. Encoded styles, and all parameters,
    are on every device. Small pictures use fewer devices; see `devices_for`.

    Args:
        method: Built with `native=True`.
        devices: Of this process.
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
