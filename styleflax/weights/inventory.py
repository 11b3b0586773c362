"""All weights that this installation knows: where they are, and whether intact."""

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from styleflax.files import file_sha256
from styleflax.weights import fetch, packaged, registry, store
from styleflax.weights.foreign import check_weights
from styleflax.weights.packaged import EVAL_COMMAND
from styleflax.weights.published.mapping import is_model_file
from styleflax.weights.registry import DOWNLOADS
from styleflax.weights.store import load_model

SUMS = "SHA256SUMS"
"""Digests of the files, as `sha256sum *.safetensors` writes them."""


class Entry(NamedTuple):
    """Weights that have a name.

    Attributes:
        name: By which commands take them.
        kind: `model METHOD`, `encoder` or `metric network`.
        source: `package`, `download`, `extra eval` or `URL`.
        path: Where they are, or would be; None if nowhere.
        num_bytes: Their size; None if unknown.
        is_here: Whether they can be used.
        state: The same in words; what to do, if not.
    """

    name: str
    kind: str
    source: str
    path: Path | None
    num_bytes: int | None
    is_here: bool
    state: str


class Verdict(NamedTuple):
    """What a check of digests found.

    Attributes:
        name: Name or file.
        sha256: SHA-256 of the file's bytes; "" if they could not be read.
        problem: "" if the file is as it should be.
    """

    name: str
    sha256: str
    problem: str


def list_weights() -> list[Entry]:
    """Returns the models in the package, downloads, and networks of the extra `eval`.

    Models are loaded, which checks them; `verify` checks the others.
    """
    return [
        *map(_packaged_model, _model_names()),
        *map(_download, DOWNLOADS),
        *map(_metric_network, packaged.NETWORKS),
        *(_fetched(url, path) for url, path in fetch.list_fetched().items()),
    ]


def verify(name_or_file: str) -> Verdict:
    """Compares digests with those recorded.

    The values of a model file have their digest in its header; for a model in the
    package, the digest of the file must also be the one in SHA256SUMS.

    Raises:
        FileNotFoundError: If there are no weights of that name, nor such a file; or
            they have to be fetched or installed first.
    """
    find: Callable[[str], Path] = {
        **dict.fromkeys(packaged.NETWORKS, packaged.find_packaged_file),
        **dict.fromkeys(DOWNLOADS, _cached_path),
        **dict.fromkeys(_model_names(), _model_path),
    }.get(name_or_file, Path)
    if registry.is_remote(name_or_file):
        find = _fetched_path
    path = find(name_or_file)
    is_download = name_or_file in DOWNLOADS or registry.is_remote(name_or_file)
    if is_download and not path.is_file():
        fetch.find_cached(name_or_file)  # says how to get it
    check_weights(path)
    if not path.is_file() and name_or_file not in _model_names():
        names = ", ".join(entry.name for entry in list_weights())
        raise FileNotFoundError(
            f"there is no file {name_or_file!r}, nor weights of that name; there are "
            f"{names}"
        )
    try:
        sha256 = file_sha256(path)
        problem = _find_problem(name_or_file, path, sha256)
    except (ValueError, OSError, fetch.WeightsError) as error:
        return Verdict(name_or_file, "", str(error))
    return Verdict(name_or_file, sha256, problem)


def read_sums() -> dict[str, str]:
    """SHA-256 that the files inside the package should have, by model name."""
    path = store.FOLDER / SUMS
    lines = path.read_text("utf-8").splitlines() if path.is_file() else []
    pairs = (line.split() for line in lines if line.strip())
    return {
        name.lstrip("*").removesuffix(store.SUFFIX): digest for digest, name in pairs
    }


def _find_problem(name: str, path: Path, sha256: str) -> str:
    if name in _model_names():
        load_model(path)
        recorded = read_sums().get(name)
        if recorded is None:
            return f"{SUMS} beside it does not list it"
        if recorded != sha256:
            return f"its SHA-256 is {sha256}, {SUMS} has {recorded}"
    elif name in DOWNLOADS or registry.is_remote(name):
        fetch.find_cached(name)
    elif name in packaged.NETWORKS:
        packaged.read_packaged_file(name)
    elif is_model_file(path):
        load_model(path)
    else:
        return "it is no model file of styleflax: there is no digest to compare with"
    return ""


def _model_names() -> list[str]:
    return sorted({*store.packaged_models(), *read_sums()})


def _model_path(name: str) -> Path:
    return store.FOLDER / f"{name}{store.SUFFIX}"


def _cached_path(name: str) -> Path:
    return fetch.find_cache_dir() / DOWNLOADS[name].filename


def _fetched_path(url: str) -> Path:
    return fetch.find_cache_dir() / registry.remote_weights(url).filename


def _packaged_model(name: str) -> Entry:
    path = _model_path(name)
    if not path.is_file():
        state = "missing: reinstall styleflax"
        return Entry(name, "model", "package", path, None, is_here=False, state=state)
    size = path.stat().st_size
    try:
        kind, state, is_here = f"model {load_model(path).method}", "ready", True
    except (ValueError, OSError) as error:
        kind, state, is_here = "model", f"damaged: {error}", False
    return Entry(name, kind, "package", path, size, is_here, state)


def _download(name: str) -> Entry:
    known = DOWNLOADS[name]
    path = _cached_path(name)
    is_here = path.is_file()
    state = "ready" if is_here else f"to fetch: `styleflax weights fetch {name}`"
    size = path.stat().st_size if is_here else known.num_bytes
    return Entry(name, "encoder", "download", path, size, is_here, state)


def _fetched(url: str, path: Path) -> Entry:
    size = path.stat().st_size
    return Entry(url, "weights", "URL", path, size, is_here=True, state="ready")


def _metric_network(name: str) -> Entry:
    kind = "encoder, metric network" if name == "vgg16" else "metric network"
    try:
        path = packaged.find_packaged_file(name)
    except FileNotFoundError:
        state = f"to install: {EVAL_COMMAND}"
        return Entry(name, kind, "extra eval", None, None, is_here=False, state=state)
    size = path.stat().st_size
    return Entry(name, kind, "extra eval", path, size, is_here=True, state="ready")
