"""The choice of a painting for each image, and the program that stylizes a batch."""

import collections
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, UInt8

from styleflax.datasets.labeled import describe_files, relative_names
from styleflax.datasets.pipeline import center_crop
from styleflax.images.decoding import ImageError
from styleflax.images.read import other_frames
from styleflax.inference.controls import make_plan
from styleflax.inference.masks.layout import WHOLE
from styleflax.methods.base import (
    Controls,
    Method,
    Style,
    Variables,
    at_strength_0,
    encode_painting,
    plain_controls,
)
from styleflax.methods.model import Model
from styleflax.ops.color_match import PALETTE, Palette, match_chroma, without_palettes
from styleflax.ops.spatial import add_detail
from styleflax.parallel import map_rows
from styleflax.types import FeatureMaps, Image, Params

_Numbers = tuple[Array, Array | None, Array | None]
"""Strength, color match and detail of all images."""


def make_bulk_program(
    model: Model, devices: Sequence[jax.Device]
) -> Callable[..., Array]:
    """Returns `run(alpha, contents_u8, styles, color_match=0.0, detail=0.0)`.

    It returns uint8 results, each in its own style; the numbers are controls for all,
    as in `controls.ControlArguments`. Pixels are transferred in 8 bits, a quarter of
    float32. If the number of devices divides the batch, it returns before they finish.

    Args:
        model: The model, whose parameters are copied to every device.
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
    """Returns `encode(image_u8)`, which gives an encoded style as NumPy arrays.

    Raises:
        ValueError: If the model has built-in styles and accepts no paintings.
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
    """Returns contents, each in its own style; see `methods.base.stylize`.

    Args:
        method: Method of the model.
        variables: Trained variables of the method.
        frozen: Frozen parameters of the method.
        content: A batch of contents.
        styles: An encoded style whose leaves are stacked over the batch.
        alpha: Strength of all styles.
        color_match: Strength of the color step; None for none.
        detail: Share of the lost detail to add; None for none.

    Returns:
        RGB images of the size of `content`, not clipped.
    """
    controls = plain_controls(alpha)
    features = method.encode_content(variables, frozen, content)
    moments = method.moments(features, controls.masks)
    (own_styles,) = without_palettes([styles])

    def decoded(controls: Controls) -> Image:
        # Only the transfer is mapped over images with their styles; the networks before
        # and after it run on the whole batch.
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


MEMORY_LIMIT_BYTES = 2**30
"""Largest size of cached encoded styles; others are encoded again when needed. A style
of AdaIN takes 4 kB, one of SANet at 256 px takes 2.5 MB."""


class Painting(NamedTuple):
    """A painting of the folder.

    Attributes:
        name: Path within the folder.
        style: The encoded style as NumPy arrays.
        damaged: Names of preceding paintings that could not be used.
        remark: Note on unused parts of the file, or "".
    """

    name: str
    style: Style
    damaged: tuple[str, ...]
    remark: str = ""


class Paintings:
    """A folder of paintings, each encoded at its first use; it is thread-safe."""

    def __init__(
        self,
        folder: Path,
        size_px: int,
        encode: Callable[[np.ndarray], Style],
        limit_bytes: int = MEMORY_LIMIT_BYTES,
    ) -> None:
        self._folder, self._size_px, self._encode = folder, size_px, encode
        self._limit_bytes, self._bytes = limit_bytes, 0
        self._names, self.left_out = relative_names(folder)
        if not self._names:
            raise ValueError(f"the folder {str(folder)!r} has no image")
        self.description = describe_files(folder, self._names)
        self._kept: collections.OrderedDict[int, Painting] = collections.OrderedDict()
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._names)

    def draw(self, seed: int, index: int, copy: int = 0) -> Painting:
        """Returns the style of an image, a pure function of the seed and its numbers.

        A damaged painting is replaced by the next one in order.

        Args:
            seed: Seed of the data set.
            index: Index of the image in the source.
            copy: Number of the style of this image, starting at 0; all are distinct.

        Raises:
            ValueError: If no painting can be used.
        """
        # The words of SeedSequence are the same in all versions of NumPy, and the first
        # ones do not depend on the requested number.
        sequence = np.random.SeedSequence([seed, index])
        drawn: list[int] = []
        for word in sequence.generate_state(copy + 1, np.uint64):
            number = int(word % len(self._names))
            while number in drawn:
                number = (number + 1) % len(self._names)
            drawn.append(number)
        number = drawn[-1]
        with self._lock:
            if number in self._kept:
                self._kept.move_to_end(number)
                return self._kept[number]
        painting = self._read(number)
        size = sum(leaf.nbytes for leaf in jax.tree.leaves(painting.style))
        with self._lock:
            if number not in self._kept:
                self._kept[number] = painting
                self._bytes += size
            while self._bytes > self._limit_bytes and len(self._kept) > 1:
                _, old = self._kept.popitem(last=False)
                self._bytes -= sum(x.nbytes for x in jax.tree.leaves(old.style))
        return painting

    def _read(self, number: int) -> Painting:
        damaged: list[str] = []
        for shift in range(len(self._names)):
            name = self._names[(number + shift) % len(self._names)]
            try:
                encoded = (self._folder / name).read_bytes()
                picture_u8 = center_crop(encoded, self._size_px)
            except (ImageError, OSError):
                damaged.append(name)
                continue
            style = self._encode(picture_u8)
            return Painting(name, style, tuple(damaged), other_frames(encoded))
        raise ValueError(f"not one painting in {str(self._folder)!r} can be used")
