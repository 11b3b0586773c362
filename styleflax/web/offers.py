"""The models that the local app offers, and those that a worker holds ready."""

import os
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import jax

from styleflax import methods
from styleflax.inference.model import Model, build_model
from styleflax.inference.stylizer import Stylizer
from styleflax.weights.model_files import find_model, packaged_models
from styleflax.weights.store import ModelFile, load_model

_KEPT_MODELS, _KEPT_STYLIZERS = 3, 6
T = TypeVar("T")


class Offered(NamedTuple):
    """A model that can be asked for.

    Attributes:
        path: Its file.
        description: What `api/info` says of it.
    """

    path: Path
    description: Mapping[str, Any]


def offer_models(more: Iterable[str | os.PathLike[str]] = ()) -> dict[str, Offered]:
    """Returns the models of the package, and others, by name.

    A client can ask for these alone: never for a path or a URL.

    Args:
        more: Files, names or URLs of others; a file is called by its stem, and one
            that is called like a model of the package takes its place.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: A file is damaged, or no model.
    """
    paths = {**packaged_models(), **{Path(x).stem: find_model(x) for x in more}}
    offered = {}
    for name, path in paths.items():
        offered[name] = offer(name, path)
    return offered


def offer(name: str, path: Path) -> Offered:
    """Returns a model that can be asked for.

    Args:
        name: By which it is asked for.
        path: Its file.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: It is damaged, or no model.
    """
    file = load_model(path)
    method = build_model(file).method
    description = {
        "name": name,
        "method": file.method,
        "styles": list(method.styles),
        "controls": sorted(methods.controls_of(method)),
        "defaults": dict(file.defaults),
    }
    return Offered(path, description)


class Models:
    """Models of one worker, the last few of which stay in memory.

    Args:
        offered: All that there are.
        device: On which they run.
    """

    def __init__(self, offered: Mapping[str, Offered], device: jax.Device) -> None:
        self._offered, self._device = offered, device
        self._models: OrderedDict[str, tuple[Model, ModelFile]] = OrderedDict()
        self._stylizers: OrderedDict[tuple[str, int | None], Stylizer] = OrderedDict()

    def stylizer(self, name: str, tile_px: int | None = None) -> Stylizer:
        """Returns the stylizer of a model.

        Raises:
            ValueError: There is no such model, or the windows are not possible.
        """

        def make() -> Stylizer:
            model, file = self._load(name)
            devices, looks = [self._device], {"tile_px": tile_px, "file": file}
            return Stylizer(model, devices, **looks, name=name)  # type: ignore[arg-type]

        return _kept(self._stylizers, (name, tile_px), make, _KEPT_STYLIZERS)

    def model(self, name: str) -> Model:
        """Returns a model, for videos.

        Raises:
            ValueError: There is no such model.
        """
        return self._load(name)[0]

    def clear(self) -> None:
        """Forgets all models and what was compiled for them."""
        self._models.clear()
        self._stylizers.clear()

    def _load(self, name: str) -> tuple[Model, ModelFile]:
        if name not in self._offered:
            raise ValueError(
                f"model must be one of {', '.join(self._offered)}, got {name!r}"
            )

        def load() -> tuple[Model, ModelFile]:
            file = load_model(self._offered[name].path)
            return build_model(file), file

        return _kept(self._models, name, load, _KEPT_MODELS)


def _kept(kept: OrderedDict[Any, T], key: Any, make: Callable[[], T], most: int) -> T:
    """Returns what is kept under a key, made if need be; the oldest goes."""
    if key not in kept:
        kept[key] = make()
        while len(kept) > most:
            kept.popitem(last=False)
    kept.move_to_end(key)
    return kept[key]
