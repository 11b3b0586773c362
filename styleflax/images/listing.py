"""Names of files and folders: images, places for results, and sample photos."""

import importlib.util
import json
import os
from collections.abc import Sequence, Set
from pathlib import Path, PurePath
from typing import NamedTuple

from PIL import Image as PillowImage

from styleflax.files import check_folder, is_within
from styleflax.images.unread import VIDEO_SUFFIXES, unread_by_name

IMAGE_SUFFIXES = frozenset(
    {
        *(".jpg", ".jpeg", ".jfif", ".mpo", ".png", ".apng", ".webp", ".gif"),
        *(".bmp", ".tif", ".tiff", ".avif", ".heic", ".heif", ".hif"),
        *(".pbm", ".pgm", ".pnm", ".ppm"),
    }
)
"""Suffixes of images in folders for every command: all that `read_picture` reads."""
FILE_SUFFIXES = (
    IMAGE_SUFFIXES
    | VIDEO_SUFFIXES
    | {
        *(".safetensors", ".style", ".pth", ".pt", ".h5", ".npz"),
        *(".json", ".csv", ".txt", ".html", ".zip", ".tar", ".gz", ".tfrecord"),
    }
)
"""Suffixes of files; a name with one of these is probably not that of a folder."""
# Folders that systems and programs create among a user's own, besides those whose
# names begin with a dot: macOS' zip files, Synology, QNAP, disks of Linux, Windows.
_TOOL_FOLDERS = frozenset(
    {
        *("__macosx", "@eadir", "@tmp", "#recycle", "#snapshot", "@recycle"),
        *("@recently-snapshot", "lost+found", "$recycle.bin", "recycler"),
        *("system volume information", "__pycache__"),
    }
)
_NEVER_LISTED = frozenset({"thumbs.db", "desktop.ini"})
# On disks of other systems, macOS adds a file with this prefix to each image; it has
# the suffix of the image.
_APPLE_DOUBLE = "._"
_SHOWN = 8


class Rules(NamedTuple):
    """Rules that decide which files of a folder are images; recorded with results.

    Attributes:
        suffixes: Suffixes of images, in lower case.
        tool_folders: Names of folders to skip, in lower case.
        hidden: Whether to include hidden files and folders.
    """

    suffixes: Set[str] = IMAGE_SUFFIXES
    tool_folders: Set[str] = _TOOL_FOLDERS
    hidden: bool = False

    def describe(self) -> str:
        """Returns the rules as JSON, which `read_rules` reads."""
        suffixes, folders = sorted(self.suffixes), sorted(self.tool_folders)
        return json.dumps([suffixes, folders, self.hidden])


def read_rules(text: str) -> Rules:
    """Returns the rules in a text of `Rules.describe`.

    Raises:
        ValueError: If the text has another form.
    """
    suffixes, folders, hidden = json.loads(text)
    return Rules(frozenset(suffixes), frozenset(folders), bool(hidden))


RULES = Rules()
"""The current rules, for all new work."""
RULES_OF_0_1 = Rules(
    frozenset({".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff"}),
    frozenset(),
    hidden=True,
)
"""The rules of version 0.1, for resuming its runs."""


class ExcludedPath(NamedTuple):
    """A file or folder that a search excluded.

    Attributes:
        path: Its path, inside the searched folder.
        reason: The reason, in words that can follow the path.
    """

    path: Path
    reason: str


class Listing(NamedTuple):
    """The content of a folder.

    Attributes:
        images: Files with the suffix of an image, sorted.
        left_out: Excluded paths, sorted: files of other kinds, dead links, hidden
            images, and folders that are hidden or of tools, one entry each.
    """

    images: list[Path]
    left_out: list[ExcludedPath]


def list_images(
    folder: str | os.PathLike[str], suffixes: Set[str] = IMAGE_SUFFIXES
) -> list[Path]:
    """Returns the image files in a folder and its subfolders, sorted by path.

    Files are selected by name alone. Links to folders are followed, each folder once.
    Hidden files and folders, and folders of tools, are skipped.

    Args:
        folder: Folder to search.
        suffixes: Suffixes of images, in lower case.

    Raises:
        FileNotFoundError: If there is no such folder.
    """
    return list_folder(folder, suffixes).images


def named_as_images(folder: str | os.PathLike[str], rules: Rules = RULES) -> list[Path]:
    """Returns all paths in a folder with the suffix of an image, including non-files.

    A folder or a dead link with such a name is probably a mistake of the user;
    `list_images` excludes it.

    Raises:
        FileNotFoundError: If there is no such folder.
    """
    files, folders, _ = _walk(folder, rules)
    found = sorted(files + folders, key=_parts)
    return [path for path in found if has_image_suffix(path.name, rules.suffixes)]


def list_folder(
    folder: str | os.PathLike[str],
    suffixes: Set[str] = IMAGE_SUFFIXES,
    rules: Rules = RULES,
) -> Listing:
    """Returns the image files in a folder and its subfolders, and the excluded paths.

    Args:
        folder: Folder to search.
        suffixes: Suffixes of images, in lower case.
        rules: Rules for hidden files and folders of tools.

    Raises:
        FileNotFoundError: If there is no such folder.
    """
    files, _, left_out = _walk(folder, rules)
    images = []
    for path in files:
        if reason := _why_not(path, suffixes):
            left_out.append(ExcludedPath(path, reason))
        else:
            images.append(path)
    return Listing(images, sorted(left_out))


def has_image_suffix(name: str, suffixes: Set[str] = IMAGE_SUFFIXES) -> bool:
    """Returns whether a name has the suffix of an image, in upper or lower case."""
    return os.path.splitext(name)[1].lower() in suffixes  # noqa: PTH122


def is_passed_over(path: PurePath, rules: Rules = RULES) -> bool:
    """Returns whether a search skips a path relative to the searched folder.

    It does if the file or a folder in the path is hidden, or the folder of a tool.
    """
    *folders, name = path.parts
    if not rules.hidden and name.startswith("."):
        return True
    return any(is_tool_folder(part, rules) for part in folders)


def is_tool_folder(name: str, rules: Rules = RULES) -> bool:
    """Returns whether a folder's name is hidden or that of a tool's folder."""
    if not rules.hidden and name.startswith("."):
        return True
    return name.lower() in rules.tool_folders


def check_out_folder(out: Path, flag: str = "-o") -> None:
    """Refuses a path that is not suitable for a folder of results.

    Args:
        out: The path.
        flag: Name of the option in errors.

    Raises:
        ValueError: If it is a file, or a new name with the suffix of a file.
    """
    if out.is_dir():
        return
    if out.exists() or is_file_suffix(file_suffix(out)):
        kind = "a file" if out.exists() else "a file's name"
        raise ValueError(f"{flag} must be a folder, got {kind}: {str(out)!r}")


def check_outside(out: Path, folders: Sequence[Path], flag: str = "-o") -> None:
    """Refuses a result inside the folders of its inputs.

    Args:
        out: Path of the result.
        folders: Files and folders of inputs.
        flag: Name of the option in errors.

    Raises:
        ValueError: If the result is inside one of the folders.
    """
    for folder in folders:
        if folder.is_dir() and is_within(out, folder):
            raise ValueError(
                f"{flag} must be outside {str(folder)!r}, got {str(out)!r}, as the "
                "next run would read its own results"
            )


def file_suffix(path: Path) -> str:
    """Returns the suffix in lower case, ignoring trailing spaces and dots."""
    return Path(path.name.rstrip(" .")).suffix.lower()


def is_file_suffix(suffix: str) -> bool:
    """Returns whether a suffix in lower case is that of a file, not part of a name."""
    return suffix in FILE_SUFFIXES or suffix in PillowImage.registered_extensions()


def describe_excluded(left_out: Sequence[ExcludedPath]) -> str:
    """Returns a line with the number of excluded paths and the first few reasons."""
    several = "s" if len(left_out) > 1 else ""
    shown = ", ".join(f"{path} ({reason})" for path, reason in left_out[:_SHOWN])
    rest = len(left_out) - _SHOWN
    more = f" and {rest} more" if rest > 0 else ""
    return f"{len(left_out)} file{several} or folder{several} left out: {shown}{more}"


def why_not_by_name(name: str, suffixes: Set[str] = IMAGE_SUFFIXES) -> str:
    """Returns the reason to exclude a file by its name; "" if it is an image."""
    if has_image_suffix(name, suffixes):
        return ""
    foreign = unread_by_name(name)
    return foreign.in_words() if foreign else "without the suffix of an image"


def _why_not(path: Path, suffixes: Set[str]) -> str:
    reason = why_not_by_name(path.name, suffixes)
    if path.is_file():
        return reason
    return "a dead link" if path.is_symlink() else "not a regular file"


def _walk(
    folder: str | os.PathLike[str], rules: Rules
) -> tuple[list[Path], list[Path], list[ExcludedPath]]:
    """Returns the files and folders that a search visits, and those that it skips."""
    check_folder(Path(folder), "pictures", "a folder")
    found: list[Path] = []
    below: list[Path] = []
    left_out: list[ExcludedPath] = []
    seen: set[str] = set()

    def note(error: OSError) -> None:
        reason = error.strerror or "cannot be read"
        left_out.append(ExcludedPath(Path(error.filename), reason))

    for root, folders, files in os.walk(folder, onerror=note, followlinks=True):
        if (real := os.path.realpath(root)) in seen:
            folders.clear()
            continue
        seen.add(real)
        tools = [name for name in folders if is_tool_folder(name, rules)]
        left_out += [
            ExcludedPath(Path(root, n), "hidden, or made by a tool") for n in tools
        ]
        folders[:] = [name for name in folders if name not in tools]
        if not rules.hidden:
            missed = filter(_is_missed, files)
            left_out += [ExcludedPath(Path(root, n), "hidden") for n in missed]
            files[:] = [name for name in files if not _is_of_system(name)]
        below += [Path(root, name) for name in folders]
        found += [Path(root, name) for name in files]
    return sorted(found, key=_parts), below, left_out


def _parts(path: Path) -> tuple[str, ...]:
    """Returns a sort key with the order of paths, which are slower to compare."""
    return path.parts


def _is_missed(name: str) -> bool:
    """Returns whether a hidden file is an image that a user may expect to be found."""
    is_hidden = name.startswith(".") and not name.startswith(_APPLE_DOUBLE)
    return is_hidden and has_image_suffix(name)


def _is_of_system(name: str) -> bool:
    return name.startswith(".") or name.lower() in _NEVER_LISTED


_HELD_OUT = "coffee.png"
# The other color images of the wheel do not show everyday objects or are mostly
# black; motorcycle_right shows the same as motorcycle_left.
_TRAINING = (
    "astronaut.png",
    "chelsea.png",
    "ihc.png",
    "motorcycle_left.png",
    "rocket.jpg",
)


def held_out_photo() -> Path:
    """Returns a sample photo that is not among `training_photos`, to be stylized."""
    return _photo(_HELD_OUT)


def training_photos() -> list[Path]:
    """Returns the sample photos for training."""
    return [_photo(name) for name in _TRAINING]


def _photo(name: str) -> Path:
    # Located without importing scikit-image, which takes a second.
    spec = importlib.util.find_spec("skimage")
    if spec is None or spec.origin is None:
        raise FileNotFoundError("scikit-image is missing: pip install scikit-image")
    path = Path(spec.origin).parent / "data" / name
    if not path.is_file():
        raise FileNotFoundError(
            f"scikit-image has no {name} in {str(path.parent)!r}; "
            "pip install 'scikit-image>=0.25'"
        )
    return path
