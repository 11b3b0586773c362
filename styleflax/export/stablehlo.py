"""Exporting a model as StableHLO programs that run on CPU, CUDA and TPU."""

import itertools
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import jax
import jax.export
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Float

from styleflax.export.manifest import (
    FORMAT_VERSION,
    identity,
    least_side,
    write_manifest,
    write_part,
)
from styleflax.files import make_folder
from styleflax.methods import controls_of
from styleflax.methods.base import Controls, Method, at_strength_0, encode_painting
from styleflax.methods.cin import STYLES
from styleflax.methods.model import Model, build_model
from styleflax.ops.color_match import (
    PALETTE,
    has_palette,
    match_colors,
    without_palettes,
)
from styleflax.ops.spatial import add_detail
from styleflax.types import Image
from styleflax.weights.store import ModelFile

PLATFORMS = ("cpu", "cuda", "tpu")
Style = Mapping[str, Any]


def export_stablehlo(
    file: ModelFile,
    folder: str | os.PathLike[str],
    name: str = "model",
    license_: str = "",
    num_styles: int = 1,
    num_regions: int = 1,
) -> dict[str, Any]:
    """Exports a model as StableHLO programs with weights, and returns their manifest.

    `stylize` takes photos, a list of styles and a dict of controls (see
    `docs/export.md`); `encode_style` encodes a painting. Image sizes and the batch
    size are free.

    Args:
        file: A model file, as `load_model` returns it.
        folder: Folder to write; older files are replaced.
        name: Name of the model, for users.
        license_: License of the weights, for users.
        num_styles: Number of styles that `stylize` mixes.
        num_regions: Number of regions of `stylize`, each with its strength and mix.

    Raises:
        ValueError: If a number is below 1, or the file is not a model of its method.
        OSError: If a file cannot be written.

    Example:
        >>> export_stablehlo(load_model("lite.safetensors"), "lite_stablehlo")
    """
    for what, number in (("num_styles", num_styles), ("num_regions", num_regions)):
        if number < 1:
            raise ValueError(f"{what} must be at least 1, got {number}")
    # The forms that are not native are faster, but need static sizes.
    model, least = build_model(file, native=True), least_side(file)
    exported = _Functions(model, file.palettes)
    programs, style = {}, None
    if not model.method.styles:
        encoder = _export(exported.encode_style, _images("1,hs,ws,3", least))
        programs["encode_style"] = encoder
        style = jax.tree.unflatten(encoder.out_tree, encoder.out_avals)
    arguments = _arguments(model.method, style, least, num_styles, num_regions)
    programs["stylize"] = _export(exported.stylize, *arguments)
    make_folder(Path(folder))
    manifest = {
        "format": FORMAT_VERSION,
        **identity(file, name, license_),
        "platforms": list(PLATFORMS),
        "min_px": least,
        "styles": list(model.method.styles),
        "controls": sorted(arguments[2]),
        "defaults": dict(file.defaults),
        "files": {
            part: write_part(
                Path(folder) / f"{part}.stablehlo", bytes(program.serialize())
            )
            for part, program in programs.items()
        },
    }
    write_manifest(Path(folder), manifest)
    return manifest


class _Functions:
    """The functions of a model to export; weights have 16 bits if that is lossless."""

    def __init__(self, model: Model, palettes: Mapping[str, Any]) -> None:
        self._method = model.method
        parts = model.variables, model.frozen
        self._stored = jax.tree.map(_shortened, jax.device_get(parts))
        own = [palettes[name] for name in model.method.styles if name in palettes]
        self._palette = {}
        if own and len(own) == len(model.method.styles):
            stacked = {k: np.concatenate([p[k] for p in own]) for k in own[0]}
            self._palette = {PALETTE: jax.tree.map(np.float32, stacked)}

    def encode_style(self, painting: Image) -> Style:
        """Returns an encoded painting with its palette."""
        variables, frozen = self._restored()
        inputs = {"image": painting}
        return encode_painting(self._method, variables, frozen, inputs)

    def stylize(
        self, photos: Image, styles: Sequence[Style], controls: Mapping[str, Array]
    ) -> Image:
        """Returns the photos in the styles, RGB in [0, 1]."""
        method, (variables, frozen) = self._method, self._restored()
        if method.styles:
            tables = variables.players["model"].get(STYLES, {})
            styles = [{**tables, **self._palette}]
        plain = _plain(controls)
        features = method.encode_content(variables, frozen, photos)
        moments = method.moments(features, plain.masks)
        own = without_palettes(styles)

        def drawn(controls: Controls) -> Image:
            operands = (features, moments, own, controls)
            merged = method.transfer(variables, frozen, *operands)
            image = method.decode(variables, frozen, merged)
            return image[:, : photos.shape[1], : photos.shape[2]]

        image = drawn(plain)
        if "detail" in controls:
            lacking = controls["detail"] * jnp.maximum(1.0 - plain.strength, 0.0)
            # Decodes a second time only if the result is used.
            reproduction = lax.cond(
                jnp.any(lacking > 0),
                lambda: drawn(at_strength_0(plain)),
                lambda: photos,
            )
            image = add_detail(image, photos, reproduction, lacking, plain.masks)
        if "color_match" in controls and all(map(has_palette, styles)):
            missing = 1.0 - jnp.minimum(plain.strength, 1.0)
            share = controls["color_match"] * (1.0 - missing**2)
            image = match_colors(image, styles, plain.weights, share, plain.masks)
        return jnp.clip(image, 0.0, 1.0)

    def _restored(self) -> Any:
        # Of these two conversions only the second becomes part of the program, so the
        # file stores 16 bits.
        return jax.tree.map(lambda x: jnp.asarray(x).astype("float32"), self._stored)


def _plain(controls: Mapping[str, Array]) -> Controls:
    """Returns the controls as the method takes them."""
    extras = {k: controls[k] for k in controls if k == "level_balance"}
    weights = controls.get("weights", jnp.ones((1, 1)))
    strength = controls.get("strength", jnp.ones(len(weights)))
    masks = controls.get("masks", jnp.ones((1, 1, 1)))
    return Controls(strength, weights, masks, extras)


def _arguments(
    method: Method, style: Style | None, least: int, num_styles: int, num_regions: int
) -> tuple[Any, list[Style], dict[str, Any]]:
    """Returns the shapes of the arguments of `stylize`."""
    photos, styles = _images("b,h,w,3", least), []
    scope = photos.shape[1].scope
    names = (f"side{i}" for i in itertools.count())

    def with_own_sides(leaf: Any) -> jax.ShapeDtypeStruct:
        sides = [str(n) if isinstance(n, int) else next(names) for n in leaf.shape]
        shape = jax.export.symbolic_shape(",".join(sides), scope=scope)
        return jax.ShapeDtypeStruct(shape, leaf.dtype)

    if style is not None:
        styles = [jax.tree.map(with_own_sides, style) for _ in range(num_styles)]
    r, s = num_regions, len(method.styles) or num_styles
    shapes: dict[str, Any] = {
        "strength": (r,),
        "weights": (r, s),
        "masks": (r, *photos.shape[1:3]),
        "color_match": (),
        "detail": (),
        "level_balance": (),
    }
    has = controls_of(method) | ({"color_match"} if method.styles else set())
    asked = {k for k in shapes if k in has and (k != "masks" or r > 1)}
    controls = {
        k: jax.ShapeDtypeStruct(shapes[k], jnp.float32) for k in shapes if k in asked
    }
    return photos, styles, controls


def _images(sizes: str, least: int) -> Any:
    """Returns images whose sizes are symbols, with a lower bound in px."""
    sides = sizes.split(",")[1:3]
    scope = jax.export.SymbolicScope([f"{side} >= {least}" for side in sides])
    shape = jax.export.symbolic_shape(sizes, scope=scope)
    return jax.ShapeDtypeStruct(shape, jnp.float32)


def _shortened(leaf: Float[np.ndarray, "..."]) -> np.ndarray:
    short = leaf.astype(np.float16)
    return short if (short.astype(np.float32) == leaf).all() else leaf


def _export(function: Any, *arguments: Any) -> jax.export.Exported:
    return jax.export.export(jax.jit(function), platforms=PLATFORMS)(*arguments)
