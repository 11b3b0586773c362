"""Model files by name: those that come with the package, and their own styles."""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

import safetensors

from styleflax.files import check_file, find_url

FOLDER = Path(__file__).parent / "files"
SUFFIX = ".safetensors"
SUMS = "SHA256SUMS"
"""Digests of the files, as `sha256sum *.safetensors` writes them."""
_FULL = MappingProxyType({"color_match": 1.0, "detail": 1.0})
_DEFAULTS: Mapping[str, Mapping[str, float]] = {
    # adain and sanet of version 0.1, which were trained before there were defaults.
    "57a0308ed84bc9446e25a824d06edec1455918b061a79cd28d46ab71e1488824": _FULL,
    "ee75477184758c48881cfdd345706ccb2a37de3779bd1e7b2d4921e3e087c5fe": _FULL,
}
"""Defaults of controls by `weights.store.model_digest`, where a file has none."""
_FOR_FOLDERS = "of a training run's, `styleflax weights export RUN -o FILE` makes one"


def packaged_models() -> dict[str, Path]:
    """Model files inside the package, by name."""
    return {path.stem: path for path in sorted(FOLDER.glob(f"*{SUFFIX}"))}


def read_sums() -> dict[str, str]:
    """SHA-256 that the files inside the package should have, by model name."""
    path = FOLDER / SUMS
    lines = path.read_text("utf-8").splitlines() if path.is_file() else []
    pairs = (line.split() for line in lines if line.strip())
    return {name.lstrip("*").removesuffix(SUFFIX): digest for digest, name in pairs}


def check_weights(path: Path) -> None:
    """Refuses a folder or a URL where a file of weights is needed.

    Raises:
        ValueError: If it is one.
    """
    if path.is_dir() or find_url(path):
        check_file(path, "weights", "a name or a file", _FOR_FOLDERS)


def fetch_if_remote(name_or_file: str | os.PathLike[str]) -> Path:
    """The file of weights at a URL, fetched if need be; else the path as given.

    Raises:
        ValueError: If the URL names no file.
        WeightsError: If the file cannot be downloaded, or is not the one that was
            pinned or downloaded first.
        ImportError: If the Hub's client is needed and not installed.
    """
    if find_url(name_or_file):
        # Late, because it brings in an HTTP library, and imports this module.
        from styleflax.weights import fetch, remote  # noqa: PLC0415

        if remote.is_remote(name_or_file):
            return fetch.fetch(os.fspath(name_or_file))
    return Path(name_or_file)


def packaged_defaults(digest: str) -> Mapping[str, float]:
    """Defaults of a packaged model whose file has none; {} for any other model."""
    return _DEFAULTS.get(digest, {})


def find_model(name_or_file: str | os.PathLike[str]) -> Path:
    """The path of a model file.

    Args:
        name_or_file: A path, a name in `packaged_models`, or a URL, `https://` or
            `hf://`, whose file is fetched the first time.

    Raises:
        FileNotFoundError: If it is neither; lists the names.
        ValueError: If it is a folder, or a URL that names no file.
        WeightsError: As `fetch_if_remote` does.
        ImportError: The same.
    """
    packaged = packaged_models()
    if str(name_or_file) in packaged:
        return packaged[str(name_or_file)]
    path = fetch_if_remote(name_or_file)
    check_weights(path)
    if not path.is_file():
        names = ", ".join(packaged) or "none"
        raise FileNotFoundError(
            f"there is no model file {str(path)!r}, nor weights of that name (there "
            f"are {names}); `styleflax weights export RUN -o FILE` makes one"
        )
    return path


def own_styles(name_or_file: str | os.PathLike[str]) -> tuple[str, ...]:
    """Names of a model's own styles; () if it takes paintings, or is damaged.

    A damaged file is for `store.load_model` to report.

    Raises:
        FileNotFoundError: If there is no such model.
    """
    path = find_model(name_or_file)
    try:
        with safetensors.safe_open(str(path), framework="numpy") as file:
            header = json.loads((file.metadata() or {})["styleflax"])
        names = header.get("options", {}).get("styles", [])
        return tuple(str(name) for name in names)
    except (safetensors.SafetensorError, KeyError, TypeError, ValueError):
        return ()
    except (AttributeError, RecursionError):  # JSON that is no such tree
        return ()
