"""Model files by name: those that come with the package."""

import os
from pathlib import Path

FOLDER = Path(__file__).parent / "files"
SUFFIX = ".safetensors"


def packaged_models() -> dict[str, Path]:
    """Model files inside the package, by name."""
    return {path.stem: path for path in sorted(FOLDER.glob(f"*{SUFFIX}"))}


def find_model(name_or_file: str | os.PathLike[str]) -> Path:
    """The path of a model file.

    Args:
        name_or_file: A path, or a name in `packaged_models`.

    Raises:
        FileNotFoundError: If it is neither; lists the names.
    """
    packaged = packaged_models()
    if str(name_or_file) in packaged:
        return packaged[str(name_or_file)]
    path = Path(name_or_file)
    if not path.is_file():
        names = ", ".join(packaged) or "none"
        raise FileNotFoundError(
            f"there is no model file {str(path)!r}, nor weights of that name (there "
            f"are {names}); `styleflax weights export RUN -o FILE` makes one"
        )
    return path
