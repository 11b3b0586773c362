"""The style files of one model: which fit it, and which it makes."""

import functools
import os

import jax
import jax.numpy as jnp

from styleflax.inference.model import Model
from styleflax.inference.style_file import (
    StyleFile,
    check_style,
    load_style,
    save_style,
)
from styleflax.methods.base import Style
from styleflax.weights.store import ModelFile, model_digest

_SHORT = 12  # digits of a digest in messages


class KeptStyles:
    """Style files of one model.

    Attributes:
        name: What the model is called; for people.
    """

    def __init__(self, model: Model, file: ModelFile | None, name: str) -> None:
        self._model, self.name = model, name
        # Its parameters are the model's: a second copy of them is not kept.
        self._described = file and file._replace(encoder_params={}, players={})

    @functools.cached_property
    def digest(self) -> str:
        """Of the model, see `weights.store.model_digest`.

        Raises:
            ValueError: If the model did not come from a file.
        """
        if self._described is None:
            raise ValueError(
                "style files need to know their model: use Stylizer.load, or give "
                "the model's file to Stylizer"
            )
        _, variables, frozen = self._model
        params, players = jax.device_get((frozen["encoder"], variables.players))
        described = self._described
        return model_digest(described._replace(encoder_params=params, players=players))

    def load(self, path: str | os.PathLike[str]) -> Style:
        """The style in a file.

        Raises:
            FileNotFoundError: If there is no such file.
            ValueError: If it is damaged, or of another model; names both.
        """
        file = load_style(path)
        if file.model_digest != self.digest:
            raise ValueError(
                f"{os.fspath(path)} belongs to the model {file.model!r} "
                f"({file.method}, {file.model_digest[:_SHORT]}), not to {self.name!r} "
                f"({self.digest[:_SHORT]}): make it again from the painting by "
                "`styleflax style save`"
            )
        check_style(file, self._expected(), path)
        return jax.tree.map(jnp.asarray, dict(file.style))

    def save(
        self, path: str | os.PathLike[str], style: Style, painting: str
    ) -> StyleFile:
        """Writes a style of this model.

        Args:
            path: The file; an older one is replaced.
            style: What the method's `encode_style` returned.
            painting: What the picture is called; for people.

        Raises:
            ValueError: If the path does not end in `style_file.STYLE_SUFFIX`.
            OSError: If the file cannot be written.
        """
        assert self.digest
        assert self._described is not None
        method = self._described.method
        file = StyleFile(style, method, self.name, self.digest, painting)
        save_style(path, file)
        return file

    def _expected(self) -> Style:
        """Shapes of the style of a small picture."""
        image = jax.ShapeDtypeStruct((1, 16, 16, 3), jnp.float32)
        method, variables, frozen = self._model
        return jax.eval_shape(
            lambda v, f, x: method.encode_style(v, f, {"image": x}),
            variables,
            frozen,
            image,
        )


def needs_pixels(control: str, style: object) -> ValueError:
    """The error of a control that an encoded style, or its file, cannot obey."""
    what = style if isinstance(style, str | os.PathLike) else "an encoded style"
    return ValueError(f"{control} needs the painting's pixels; {what} has none")
