"""The user's cache folder, and names and folders of files to be written."""

import hashlib
import os
import tempfile
from pathlib import Path

CACHE_VARIABLE = "STYLEFLAX_CACHE"
"""Environment variable that moves the cache."""
MAX_NAME_BYTES = 240
"""Of a file to be written. File systems take 255; some names get additions."""
_DIGEST_DIGITS = 8


def find_cache_dir(cache_dir: str | os.PathLike[str] | None = None) -> Path:
    """Return the folder that keeps downloads and compiled programs; it may be missing.

    Args:
        cache_dir: the folder itself; None takes the environment's STYLEFLAX_CACHE, or
            else the user's cache folder of the operating system.

    Raises:
        RuntimeError: the folder begins with ~, and nobody knows the user's home.
    """
    chosen = cache_dir or os.environ.get(CACHE_VARIABLE)
    if not chosen:
        # Pooch, which downloads, is slower to import and asks the same.
        import platformdirs  # noqa: PLC0415

        chosen = platformdirs.user_cache_dir("styleflax")
    return Path(chosen).expanduser()


def make_folder(folder: Path) -> None:
    """Make a folder with those above it, and make sure that it takes files.

    Raises:
        OSError: it cannot be made or written to; the message says which part of the
            path is a file, if one is.
    """
    try:
        places = (folder, *folder.parents)
        taken = next((p for p in places if os.path.lexists(p)), None)
        if taken is not None and not taken.is_dir():
            kind = "a file" if taken.exists() else "a link that leads nowhere"
            what = "it" if taken == folder else repr(str(taken))
            raise NotADirectoryError(
                f"cannot write to {str(folder)!r}: {what} is {kind}, and must be a "
                "folder; give another name"
            )
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        if error.strerror is None:
            raise
        raise OSError(f"cannot write to {str(folder)!r}: {error.strerror}") from error


def short_stem(stem: str, num_bytes: int = MAX_NAME_BYTES) -> str:
    """Return a file's name that file systems take, the same for the same stem.

    Args:
        stem: the name without its suffix.
        num_bytes: what there is room for.

    Returns:
        The stem itself if it fits; otherwise its beginning and eight digits of its
        SHA-256, so that different stems stay different.
    """
    encoded = os.fsencode(stem)
    if len(encoded) <= num_bytes:
        return stem
    digest = hashlib.sha256(encoded).hexdigest()[:_DIGEST_DIGITS]
    room = num_bytes - len(digest) - 1
    beginning = encoded[:room].decode("utf-8", "ignore")
    return f"{beginning}~{digest}"


def temporary_beside(path: Path, suffix: str = ".tmp") -> Path:
    """Return the hidden name under which this process writes a file at first."""
    stem = short_stem(path.name, MAX_NAME_BYTES - 2 * len(suffix) - 12)
    return path.with_name(f".{stem}.{os.getpid()}{suffix}")


def is_within(path: Path, folder: Path) -> bool:
    """Return whether a path is a folder or something below it, links followed."""
    real = os.path.realpath(folder)
    return os.path.commonpath([os.path.realpath(path), real]) == real
