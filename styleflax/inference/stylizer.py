"""Stylizing pictures: the way in for everyone who does not train."""

import os
from collections.abc import Iterable, Mapping, Sequence
from typing import Self

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float
from PIL import Image as PillowImage

from styleflax.data.images import as_float_image, resize_short_side, save_image
from styleflax.data.pixels import to_float, to_u8
from styleflax.inference.checks import check_alpha, check_size, check_weights
from styleflax.inference.model import Model, build_model
from styleflax.inference.split import Run, make_split_run
from styleflax.methods import check_controls
from styleflax.methods.base import Controls, Style, Variables, plain_controls, stylize
from styleflax.parallel import local_devices, map_rows
from styleflax.types import Image, Params
from styleflax.weights.packaged_models import find_model
from styleflax.weights.store import load_model

Picture = str | os.PathLike[str] | PillowImage.Image | np.ndarray | jax.Array
"""A path, a Pillow image, or an array (h, w, 3): uint8, or float in [0, 1]."""
OneStyle = Picture | Mapping[str, jax.Array]
"""A picture, or what `Stylizer.encode_style` made of one."""
STYLE_SIZE_PX = 512
"""Styles are shrunk to this short side, the one the published programs use."""


class Stylized:
    """A stylized picture, or a batch of them.

    Attributes:
        array: Float32 RGB in [0, 1], shape (h, w, 3) or (b, h, w, 3).
    """

    def __init__(self, array: Float[np.ndarray, "... h w 3"]) -> None:
        self.array = array

    def to_pillow(self) -> PillowImage.Image:
        """The picture as Pillow has it.

        Raises:
            ValueError: If this is a batch.
        """
        return PillowImage.fromarray(to_u8(self._single()))

    def save(self, path: str | os.PathLike[str]) -> None:
        """Writes the picture; the suffix names the format.

        Raises:
            ValueError: If this is a batch, or the suffix is unknown.
            OSError: If the file cannot be written.
        """
        save_image(self._single(), path)

    def _single(self) -> np.ndarray:
        if self.array.ndim != 3:
            raise ValueError(
                f"a batch of {len(self.array)} pictures: take one of .array"
            )
        return self.array


class Stylizer:
    """Puts pictures into styles, with one model.

    Programs are compiled once for each size of content and of style. A batch is
    dealt out over the devices of this process.

    Example:
        >>> stylizer = Stylizer.load("model.safetensors")
        >>> stylizer("photo.jpg", "painting.jpg", alpha=0.8).save("out.png")
    """

    def __init__(
        self,
        model: Model,
        devices: Sequence[jax.Device] | None = None,
        *,
        split_rows: bool = False,
    ) -> None:
        self._model, devices = model, devices or local_devices()
        self.num_devices = 1 if split_rows else len(devices)
        method = model.method

        @jax.jit
        def encode(variables: Variables, frozen: Params, image: Image) -> Style:
            return method.encode_style(variables, frozen, {"image": image})

        @jax.jit
        def run(
            variables: Variables,
            frozen: Params,
            content: Image,
            styles: Sequence[Style],
            controls: Controls,
        ) -> Image:
            image = stylize(method, variables, frozen, content, styles, controls)
            return jnp.clip(image, 0.0, 1.0)

        self._encode = encode
        self._run: Run = run
        # A picture by itself runs on the first device, without a detour.
        self._run_batch = map_rows(
            lambda model, applied, content: run(*model, content, *applied),
            model[1:],
            devices,
        )
        if split_rows:
            self._run = make_split_run(method, devices)
            self._run_batch = lambda applied, content: self._run(
                *model[1:], content, *applied
            )

    @classmethod
    def load(
        cls, weights: str | os.PathLike[str] = "adain", *, split_rows: bool = False
    ) -> Self:
        """The stylizer of a model file, or of weights that have a name.

        Args:
            weights: A file or a name.
            split_rows: Split every picture by rows between the devices of this
                process, for pictures too large for one; see `inference.split`.

        Raises:
            FileNotFoundError: If there is no such file or name.
            ValueError: If the file is damaged or of another architecture.
        """
        model = build_model(load_model(find_model(weights)), native=split_rows)
        return cls(model, split_rows=split_rows)

    def encode_style(self, style: Picture) -> Style:
        """All that the model keeps of a style, to be used for many contents.

        Args:
            style: A picture; it is shrunk to `STYLE_SIZE_PX` at its short side
                if it is larger.
        """
        image = _float_image(style)
        if min(image.shape[:2]) > STYLE_SIZE_PX:
            image = _resize(image, STYLE_SIZE_PX)
        return self._encode(*self._model[1:], jnp.asarray(image[None]))

    def __call__(
        self,
        content: Picture,
        style: OneStyle | Sequence[OneStyle],
        *,
        alpha: float = 1.0,
        weights: Sequence[float] | None = None,
        size: int | None = None,
        **extras: float | None,
    ) -> Stylized:
        """The content in the style, or in a mix of styles, at the content's size.

        Args:
            content: A picture, or a batch of them as an array (b, h, w, 3).
            style: A picture, or what `encode_style` made of one; a list or tuple
                of these for a mix.
            alpha: Strength of the style: 1 is the paper's, 0 gives the content
                as the method reproduces it (see `methods.make_adain` and
                `make_sanet`).
            weights: Share of every style in the mix, scaled to sum to 1; equal
                shares by default.
            size: Short side to resize the content to; None keeps its own.
            extras: Controls that only some methods have: `level_balance`, 0 to
                1, of SANet. None is as if it were not there.

        Raises:
            ValueError: If alpha is not in [0, 1], the weights do not fit the
                styles, a picture or size is below 16 px, or the method has no
                such control.
            FileNotFoundError: If a path leads nowhere.
        """
        several = isinstance(style, list | tuple)
        styles: list[OneStyle] = list(style) if several else [style]  # type: ignore[arg-type, list-item]
        shares = check_weights(weights, len(styles))
        check_alpha(alpha)
        if size is not None:
            check_size(size)
        given = {name: x for name, x in extras.items() if x is not None}
        self.check_extras(given)
        encoded = [
            s if isinstance(s, Mapping) else self.encode_style(s) for s in styles
        ]
        if isinstance(content, jax.Array):
            content = np.asarray(content)
        is_batch = isinstance(content, np.ndarray) and content.ndim == 4
        pictures: Iterable[Picture] = content if is_batch else [content]  # type: ignore[assignment]
        if is_batch and not len(content):  # type: ignore[arg-type]
            raise ValueError("content is a batch of no pictures")
        images = np.stack([_content(picture, size) for picture in pictures])
        controls = plain_controls(alpha, shares, **given)
        if len(images) > 1:
            output = self._run_batch((encoded, controls), images)
        else:
            output = self._run(*self._model[1:], images, encoded, controls)
        array = np.asarray(output)
        return Stylized(array if is_batch else array[0])

    def check_extras(self, extras: Mapping[str, float]) -> None:
        """Refuses controls that the method has not got, or outside [0, 1].

        Raises:
            ValueError: Naming the methods that have the control, or the value.
        """
        check_controls(self._model.method, extras)
        for name, value in extras.items():
            if not 0.0 <= value <= 1.0:
                raise ValueError(f"{name} must be in [0, 1], got {value}")


def _content(picture: Picture, size: int | None) -> np.ndarray:
    image = _float_image(picture)
    return image if size is None else _resize(image, size)


def _float_image(picture: Picture) -> np.ndarray:
    # A copy on the host, since Pillow and NumPy do the rest.
    array = np.asarray(picture) if isinstance(picture, jax.Array) else picture
    return as_float_image(array)


def _resize(image: np.ndarray, size: int) -> np.ndarray:
    return to_float(np.asarray(resize_short_side(to_u8(image), size)))
