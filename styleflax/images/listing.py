"""Which files of a folder are pictures, judged by their names alone."""

import os
from collections.abc import Set
from pathlib import Path

from styleflax.files import check_folder

IMAGE_SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff"})
"""What folders are searched for unless said otherwise."""
READABLE_SUFFIXES = IMAGE_SUFFIXES | {
    *(".gif", ".heic", ".heif", ".hif", ".jfif", ".mpo"),
    *(".pbm", ".pgm", ".pnm", ".ppm"),
}
"""All that `read_picture` may read."""


def list_images(
    folder: str | os.PathLike[str], suffixes: Set[str] = IMAGE_SUFFIXES
) -> list[Path]:
    """Returns the picture files in a folder and below it, sorted by path.

    Only names are looked at; links to folders are followed, each folder once.

    Args:
        folder: Where to look.
        suffixes: Those of pictures, in lower case.

    Raises:
        FileNotFoundError: There is no such folder.
    """
    return [path for path in named_as_images(folder, suffixes) if path.is_file()]


def named_as_images(
    folder: str | os.PathLike[str], suffixes: Set[str] = IMAGE_SUFFIXES
) -> list[Path]:
    """Returns all paths below a folder with a picture's suffix, whatever they are.

    A folder or a dead link with such a name is a mistake that somebody may want
    to hear of; `list_images` leaves those out.

    Raises:
        FileNotFoundError: There is no such folder.
    """
    check_folder(Path(folder), "pictures", "a folder")
    found: list[Path] = []
    seen: set[str] = set()
    for root, folders, files in os.walk(folder, followlinks=True):
        if (real := os.path.realpath(root)) in seen:
            folders.clear()
            continue
        seen.add(real)
        names = [*folders, *files]
        found += [
            Path(root, name) for name in names if has_image_suffix(name, suffixes)
        ]
    return sorted(found)


def has_image_suffix(name: str, suffixes: Set[str] = IMAGE_SUFFIXES) -> bool:
    """Returns whether a file's name ends as a picture's does, in any case."""
    return os.path.splitext(name)[1].lower() in suffixes  # noqa: PTH122
