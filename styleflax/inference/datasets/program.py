"""The compiled program that puts every picture of a batch into a style of its own."""

from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, UInt8

from styleflax.inference.controls import make_plan
from styleflax.inference.masks.layout import WHOLE
from styleflax.inference.model import Model
from styleflax.methods.base import (
    Controls,
    Method,
    Style,
    Variables,
    at_strength_0,
    encode_painting,
    plain_controls,
)
from styleflax.methods.finishing import PALETTE, add_detail, without_palettes
from styleflax.ops.color_match import Palette, match_chroma
from styleflax.parallel import map_rows
from styleflax.types import FeatureMaps, Image, Params

_Numbers = tuple[Array, Array | None, Array | None]
"""Strength, color match and detail of all pictures."""


def make_bulk_program(
    model: Model, devices: Sequence[jax.Device]
) -> Callable[..., Array]:
    """`run(alpha, contents_u8, styles, color_match=0.0, detail=0.0)`: uint8 pictures.

    Each has a style of its own; numbers are those of `controls.ControlArguments` for
    all. Pixels go to the devices and come back as 8 bits, a quarter of the way. It
    returns before the devices are done if their number divides the batch.

    Args:
        model: Its parameters are kept on every device.
        devices: Devices of this process; each takes an equal share of a batch.
    """
    method = model.method

    def function(constants: Any, numbers: _Numbers, rows: Any) -> Array:
        variables, frozen = constants
        contents_u8, styles = rows
        content = contents_u8.astype(jnp.float32) / 255.0
        image = stylize_each(method, variables, frozen, content, styles, *numbers)
        return jnp.rint(jnp.clip(image, 0.0, 1.0) * 255.0).astype(jnp.uint8)

    run = map_rows(function, (model.variables, model.frozen), devices)

    def program(
        alpha: float,
        contents_u8: UInt8[np.ndarray, "b h w 3"],
        styles: Sequence[Style],
        color_match: float = 0.0,
        detail: float = 0.0,
    ) -> Array:
        plan = make_plan(1, alpha=alpha, color_match=color_match, detail=detail)
        controls = plan.controls(WHOLE)
        numbers = (controls.strength[0], controls.color_match, controls.detail)
        stacked = jax.tree.map(lambda *leaves: np.stack(leaves), *styles)
        return run(numbers, (contents_u8, stacked))

    return program


def make_style_encoder(model: Model) -> Callable[[UInt8[np.ndarray, "h w 3"]], Style]:
    """`encode(image_u8)`: a style, as NumPy arrays.

    Raises:
        ValueError: If the model has styles of its own, and takes no pictures.
    """
    if own := model.method.styles:
        raise ValueError(
            f"a data set is put into paintings, and this model has styles of its own: "
            f"{', '.join(own)}; take a model of adain or sanet"
        )

    @jax.jit
    def program(variables: Variables, frozen: Params, image_u8: Array) -> Style:
        image = image_u8[None].astype(jnp.float32) / 255.0
        return encode_painting(model.method, variables, frozen, {"image": image})

    def encode(image_u8: np.ndarray) -> Style:
        style = program(model.variables, model.frozen, image_u8)
        return jax.tree.map(np.asarray, style)

    return encode


def stylize_each(
    method: Method,
    variables: Variables,
    frozen: Params,
    content: Image,
    styles: Style,
    alpha: Array | float,
    color_match: Float[Array, "1"] | None = None,
    detail: Float[Array, "1"] | None = None,
) -> Image:
    """Content images, each in its own style; see `methods.base.stylize`.

    Args:
        method: Method of the model.
        variables: As for `Method`.
        frozen: As for `Method`.
        content: A batch.
        styles: The tree of a style, its leaves stacked over the batch.
        alpha: Strength for all.
        color_match: See `methods.base.Controls`.
        detail: See `methods.base.Controls`.

    Returns:
        RGB of exactly the size of `content`, not clipped.
    """
    controls = plain_controls(alpha)
    features = method.encode_content(variables, frozen, content)
    moments = method.moments(features, controls.masks)
    (own_styles,) = without_palettes([styles])

    def decoded(controls: Controls) -> Image:
        # Only here does a method take the styles of one picture; the networks before
        # and after run on the whole batch.
        @jax.vmap
        def transfer(features: FeatureMaps, moments: Any, style: Style) -> FeatureMaps:
            features, moments = jax.tree.map(lambda x: x[None], (features, moments))
            operands = (features, moments, [style], controls)
            merged = method.transfer(variables, frozen, *operands)
            return jax.tree.map(lambda x: x[0], merged)

        merged = transfer(features, moments, own_styles)
        image = method.decode(variables, frozen, merged)
        return image[:, : content.shape[1], : content.shape[2]]

    image = decoded(controls)
    if detail is not None:
        reproduction = decoded(at_strength_0(controls))
        image = add_detail(image, content, reproduction, detail, controls.masks)
    if color_match is not None:
        image = match_chroma(image, Palette(**styles[PALETTE]), color_match)
    return image
