"""The compiled programs of a stylizer."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from styleflax.compile_cache.jit import kept_jit
from styleflax.inference.model import Model
from styleflax.inference.render.rows import Run, make_split_run
from styleflax.methods.base import Controls, Style, Variables, encode_painting, stylize
from styleflax.parallel import map_rows
from styleflax.types import Image, Params


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
    # A picture by itself runs on the first device, without a detour.
    run_batch = map_rows(
        lambda model, applied, content: run(*model, content, *applied),
        model[1:],
        devices,
    )
    return Programs(encode, run, run_batch)
