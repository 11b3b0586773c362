"""The models that the local app offers, and the ones a worker has loaded."""

import os
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import jax

from styleflax import methods
from styleflax.inference.stylizer import Stylizer
from styleflax.methods.model import Model, build_model
from styleflax.weights.store import ModelFile, find_model, load_model, packaged_models

_CACHED_MODELS, _CACHED_STYLIZERS = 3, 6
T = TypeVar("T")


class Offered(NamedTuple):
    """A model that clients can request.

    Attributes:
        path: Path of its file.
        description: Its entry in the response of `api/info`.
    """

    path: Path
    description: Mapping[str, Any]


def offer_models(more: Iterable[str | os.PathLike[str]] = ()) -> dict[str, Offered]:
    """Returns the models of the package, and additional ones, by name.

    Clients can request only these models, never a path or a URL.

    Args:
        more: Files, names or URLs of additional models. A file is named by its stem
            and replaces a model of the package that has the same name.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If a file is damaged or is not a model file.
    """
    paths = {**packaged_models(), **{Path(x).stem: find_model(x) for x in more}}
    offered = {}
    for name, path in paths.items():
        offered[name] = offer(name, path)
    return offered


def offer(name: str, path: Path) -> Offered:
    """Returns a model with its description for clients.

    Args:
        name: Name by which clients request it.
        path: Path of its file.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it is damaged or is not a model file.
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
    """The models of one worker; the most recently used ones stay in memory.

    Args:
        offered: All models that clients can request, by name.
        device: Device on which they run.
    """

    def __init__(self, offered: Mapping[str, Offered], device: jax.Device) -> None:
        self._offered, self._device = offered, device
        self._models: OrderedDict[str, tuple[Model, ModelFile]] = OrderedDict()
        self._stylizers: OrderedDict[tuple[str, int | None], Stylizer] = OrderedDict()

    def stylizer(self, name: str, tile_px: int | None = None) -> Stylizer:
        """Returns the stylizer of a model.

        Args:
            name: Name of the model.
            tile_px: Side of the windows of large images in px; see `Stylizer.load`.

        Raises:
            ValueError: If there is no such model, or it cannot use such windows.
        """

        def make() -> Stylizer:
            model, file = self._load(name)
            devices, looks = [self._device], {"tile_px": tile_px, "file": file}
            return Stylizer(model, devices, **looks, name=name)  # type: ignore[arg-type]

        return _cached(self._stylizers, (name, tile_px), make, _CACHED_STYLIZERS)

    def model(self, name: str) -> Model:
        """Returns a model, as `VideoStylizer` takes it.

        Raises:
            ValueError: If there is no such model.
        """
        return self._load(name)[0]

    def clear(self) -> None:
        """Removes all models and their compiled programs from memory."""
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

        return _cached(self._models, name, load, _CACHED_MODELS)


def _cached(
    cache: OrderedDict[Any, T], key: Any, make: Callable[[], T], most: int
) -> T:
    """Returns the cached value of a key, or a new one; evicts the least recent one."""
    if key not in cache:
        cache[key] = make()
        while len(cache) > most:
            cache.popitem(last=False)
    cache.move_to_end(key)
    return cache[key]
