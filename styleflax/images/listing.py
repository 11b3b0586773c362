"""Which files of a folder are pictures by their names, and photographs for examples."""

import importlib.util
import json
import os
from collections.abc import Sequence, Set
from pathlib import Path, PurePath
from typing import NamedTuple

from styleflax.files import check_folder
from styleflax.images.unread import unread_by_name

IMAGE_SUFFIXES = frozenset(
    {
        *(".jpg", ".jpeg", ".jfif", ".mpo", ".png", ".apng", ".webp", ".gif"),
        *(".bmp", ".tif", ".tiff", ".avif", ".heic", ".heif", ".hif"),
        *(".pbm", ".pgm", ".pnm", ".ppm"),
    }
)
"""What every command searches folders for: all that `read_picture` may read."""
# Folders that systems and programs put among a user's own, beside those whose name
# begins with a dot: macOS' zip files, Synology, QNAP, disks of Linux and Windows.
_TOOL_FOLDERS = frozenset(
    {
        *("__macosx", "@eadir", "@tmp", "#recycle", "#snapshot", "@recycle"),
        *("@recently-snapshot", "lost+found", "$recycle.bin", "recycler"),
        *("system volume information", "__pycache__"),
    }
)
_NEVER_LISTED = frozenset({"thumbs.db", "desktop.ini"})
# macOS puts such a file beside each picture on disks of other systems; its suffix is
# the picture's.
_APPLE_DOUBLE = "._"
_SHOWN = 8


class Rules(NamedTuple):
    """Which files of a folder are its pictures; recorded with what is made of them.

    Attributes:
        suffixes: Those of pictures, in lower case.
        tool_folders: Names of folders that are passed over, in lower case.
        hidden: Whether hidden files and folders count as others do.
    """

    suffixes: Set[str] = IMAGE_SUFFIXES
    tool_folders: Set[str] = _TOOL_FOLDERS
    hidden: bool = False

    def describe(self) -> str:
        """Returns the rules as JSON, which `read_rules` reads."""
        suffixes, folders = sorted(self.suffixes), sorted(self.tool_folders)
        return json.dumps([suffixes, folders, self.hidden])


def read_rules(text: str) -> Rules:
    """Returns the rules that `Rules.describe` wrote.

    Raises:
        ValueError: It wrote something else.
    """
    suffixes, folders, hidden = json.loads(text)
    return Rules(frozenset(suffixes), frozenset(folders), bool(hidden))


RULES = Rules()
"""What holds for whatever begins now."""
RULES_OF_0_1 = Rules(
    frozenset({".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff"}),
    frozenset(),
    hidden=True,
)
"""What held in version 0.1, whose runs may go on."""


class ExcludedPath(NamedTuple):
    """A file or folder that a search passed over.

    Attributes:
        path: Where it is; below the folder that was searched.
        reason: Why, in words that may follow the path.
    """

    path: Path
    reason: str


class Listing(NamedTuple):
    """What a folder holds.

    Attributes:
        images: Files named as pictures, sorted.
        left_out: What else there is, sorted: files of other kinds, dead links, hidden
            pictures, and hidden folders and those of tools, each as one.
    """

    images: list[Path]
    left_out: list[ExcludedPath]


def list_images(
    folder: str | os.PathLike[str], suffixes: Set[str] = IMAGE_SUFFIXES
) -> list[Path]:
    """Returns the picture files in a folder and below it, sorted by path.

    Only names count; links to folders are followed, each folder once. Hidden
    files and folders, and folders of tools, are passed over.

    Args:
        folder: Where to look.
        suffixes: Those of pictures, in lower case.

    Raises:
        FileNotFoundError: There is no such folder.
    """
    return list_folder(folder, suffixes).images


def named_as_images(folder: str | os.PathLike[str], rules: Rules = RULES) -> list[Path]:
    """Returns all paths below a folder with a picture's suffix, whatever they are.

    A folder or a dead link with such a name is a mistake that somebody may want
    to hear of; `list_images` leaves those out.

    Raises:
        FileNotFoundError: There is no such folder.
    """
    files, folders, _ = _walk(folder, rules)
    found = sorted(files + folders, key=_parts)
    return [path for path in found if has_image_suffix(path.name, rules.suffixes)]


def list_folder(
    folder: str | os.PathLike[str],
    suffixes: Set[str] = IMAGE_SUFFIXES,
    rules: Rules = RULES,
) -> Listing:
    """Returns the picture files in a folder and below it, and what is left out.

    Args:
        folder: Where to look.
        suffixes: Those of pictures, in lower case.
        rules: What else is passed over.

    Raises:
        FileNotFoundError: There is no such folder.
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
    """Returns whether a file's name ends as a picture's does, in any case."""
    return os.path.splitext(name)[1].lower() in suffixes  # noqa: PTH122


def is_passed_over(path: PurePath, rules: Rules = RULES) -> bool:
    """Returns whether a search of the folder above passes over a relative path.

    That is so where the file or a folder on the way is hidden, or a folder of a tool.
    """
    *folders, name = path.parts
    if not rules.hidden and name.startswith("."):
        return True
    return any(is_tool_folder(part, rules) for part in folders)


def is_tool_folder(name: str, rules: Rules = RULES) -> bool:
    """Returns whether a folder's name is hidden, or known to be a tool's."""
    if not rules.hidden and name.startswith("."):
        return True
    return name.lower() in rules.tool_folders


def describe_excluded(left_out: Sequence[ExcludedPath]) -> str:
    """Returns how many files and folders are left out, and the first with reasons."""
    several = "s" if len(left_out) > 1 else ""
    shown = ", ".join(f"{path} ({reason})" for path, reason in left_out[:_SHOWN])
    rest = len(left_out) - _SHOWN
    more = f" and {rest} more" if rest > 0 else ""
    return f"{len(left_out)} file{several} or folder{several} left out: {shown}{more}"


def why_not_by_name(name: str, suffixes: Set[str] = IMAGE_SUFFIXES) -> str:
    """Returns why a file of that name is left out; "" if it is not."""
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
    """The files and folders that a search visits, and those that it skips."""
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
    """The order of paths themselves, which compare several times as slowly."""
    return path.parts


def _is_missed(name: str) -> bool:
    """Whether a file is hidden and yet a picture that somebody may miss."""
    is_hidden = name.startswith(".") and not name.startswith(_APPLE_DOUBLE)
    return is_hidden and has_image_suffix(name)


def _is_of_system(name: str) -> bool:
    return name.startswith(".") or name.lower() in _NEVER_LISTED


_HELD_OUT = "coffee.png"
# The wheel's other color pictures are no photographs of everyday things, or
# are mostly black; motorcycle_right shows what motorcycle_left does.
_TRAINING = (
    "astronaut.png",
    "chelsea.png",
    "ihc.png",
    "motorcycle_left.png",
    "rocket.jpg",
)


def held_out_photo() -> Path:
    """Returns the photograph that `sample_photos` leaves out, to be stylized."""
    return _photo(_HELD_OUT)


def training_photos() -> list[Path]:
    """Returns the photographs of `sample_photos`."""
    return [_photo(name) for name in _TRAINING]


def _photo(name: str) -> Path:
    # Found without importing scikit-image, which takes a second.
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
