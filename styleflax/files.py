"""Files: the user's cache folder, names and folders to be written, what a path is."""

import errno
import hashlib
import os
import re
import secrets
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

CACHE_VARIABLE = "STYLEFLAX_CACHE"
"""Environment variable that moves the cache."""
MAX_NAME_BYTES = 240
"""Longest name of a file to write. File systems allow 255; some names get suffixes."""
_DIGEST_DIGITS = 8
_URL = re.compile(r"(?P<scheme>https?|ftp|s3|gs|hf|file):/+(?P<rest>.*)", re.I | re.S)


def find_cache_dir(cache_dir: str | os.PathLike[str] | None = None) -> Path:
    """Return the folder that keeps downloads and compiled programs; it may be missing.

    Args:
        cache_dir: the folder itself; None takes the environment's STYLEFLAX_CACHE, or
            else the user's cache folder of the operating system.

    Raises:
        RuntimeError: If the folder begins with ~, and the home is unknown.
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
        OSError: If it cannot be made or written to; the message says which part of the
            path is a file, if one is.
    """
    try:
        places = (folder, *folder.parents)
        taken = next((p for p in places if os.path.lexists(p)), None)
        if taken is not None and not taken.is_dir():
            kind = "a file" if taken.exists() else "a dead link"
            what = "it" if taken == folder else repr(str(taken))
            raise NotADirectoryError(
                f"cannot write to {str(folder)!r}: {what} must be a folder, got "
                f"{kind}; give another name"
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
        num_bytes: Available number of bytes.

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
    """Return a hidden name, unlike any other's, under which a file is written first."""
    mark = f"{os.getpid()}-{secrets.token_hex(4)}"
    stem = short_stem(path.name, MAX_NAME_BYTES - 2 * len(suffix) - 22)
    return path.with_name(f".{stem}.{mark}{suffix}")


@contextmanager
def written_whole(
    path: Path, *, folder: Path | None = None, sync: bool = False
) -> Iterator[Path]:
    """Within the block, a file is written that gets its name at the end, or never.

    Args:
        path: The file; an older one is replaced.
        folder: Folder of the file in the making, on the same disk; by default that of
            `path`.
        sync: Wait until the disk has the file, so that it outlasts a power failure.

    Yields:
        The path to write to.

    Raises:
        OSError: If the file cannot be written.
    """
    temporary = temporary_beside(path if folder is None else folder / path.name)
    try:
        yield temporary
        if sync:
            with temporary.open("rb") as file:
                os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)


def write_file(path: Path, content: bytes | str, *, sync: bool = False) -> None:
    """Write a file whole or not at all; see `written_whole`.

    Args:
        path: The file; an older one is replaced.
        content: Bytes, or text that is written as UTF-8.
        sync: Wait until the disk has the file.

    Raises:
        OSError: If the file cannot be written.
    """
    data = content.encode() if isinstance(content, str) else content
    with written_whole(path, sync=sync) as temporary:
        temporary.write_bytes(data)


def write_atomically(path: Path, data: bytes, what: str) -> None:
    """Write a file whole or not at all, and wait until the disk has it.

    Args:
        path: the file; an older one is replaced.
        data: all of it.
        what: what the message calls it, as "the model file".

    Raises:
        OSError: If the file cannot be written.
    """
    try:
        write_file(path, data, sync=True)
    except OSError as error:
        reason = error.strerror or error
        raise OSError(f"cannot write {what} {path}: {reason}") from error


def file_sha256(path: Path) -> str:
    """Return the SHA-256 of a file's bytes, as 64 hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextmanager
def locked_file(path: Path, refusal: str) -> Iterator[None]:
    """Within the block, no other process holds the lock of a file, which is made.

    The lock ends with the process, however that ends. Where the file system has no
    locks, there is none.

    Args:
        path: The file, which stays afterwards.
        refusal: What to say if another process holds the lock.

    Raises:
        ValueError: If another process holds the lock.
        OSError: If the file cannot be written.
    """
    import fcntl  # noqa: PLC0415  (Windows has none)

    with path.open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno in {errno.EWOULDBLOCK, errno.EACCES}:
                raise ValueError(refusal) from error
        yield


def is_disk_full(error: BaseException) -> bool:
    """Return whether an error says that the disk, or the user's share, is full."""
    code = getattr(error, "errno", None)
    return isinstance(error, OSError) and code in {errno.ENOSPC, errno.EDQUOT}


def is_within(path: Path, folder: Path) -> bool:
    """Return whether a path is a folder or something below it, links followed."""
    real = os.path.realpath(folder)
    return os.path.commonpath([os.path.realpath(path), real]) == real


def find_url(path: str | os.PathLike[str]) -> str | None:
    """Return the URL that was given for a path, or None if it is none.

    Paths have single slashes: the two of a URL are put back.
    """
    match = _URL.match(os.fspath(path))
    if match is None:
        return None
    slashes = "///" if match["scheme"].lower() == "file" else "//"
    return f"{match['scheme']}:{slashes}{match['rest']}"


def check_file(
    path: Path, name: str, wanted: str = "a file", for_folders: str = ""
) -> None:
    """Refuse a path that is not a file's, saying what it is.

    Args:
        path: as the user gave it.
        name: what messages call it, as an argument or a flag.
        wanted: what it should be, with its article, as "a picture".
        for_folders: what to do with a folder, as "`styleflax stylize` takes folders".

    Raises:
        ValueError: If it is a folder or a URL.
        FileNotFoundError: If nothing is there.
    """
    if path.is_dir():
        hint = f": {for_folders}" if for_folders else ""
        raise ValueError(f"{name} must be {wanted}, got the folder {str(path)!r}{hint}")
    check_exists(
        path, name, wanted, wanted.removeprefix("a ").removeprefix("an ") + " "
    )


def check_folder(path: Path, name: str, wanted: str, for_files: str = "") -> None:
    """Refuse a path that is not a folder's, saying what it is.

    Args:
        path: as the user gave it.
        name: what messages call it, as an argument or a flag.
        wanted: what it should be, as "a folder of paintings".
        for_files: what to do with a file.

    Raises:
        ValueError: If it is a file or a URL.
        FileNotFoundError: If nothing is there.
    """
    check_exists(path, name, wanted, "folder ")
    if not path.is_dir():
        hint = f": {for_files}" if for_files else ""
        raise ValueError(f"{name} must be {wanted}, got the file {str(path)!r}{hint}")


def check_exists(
    path: Path, name: str, wanted: str = "a file or folder", kind: str = ""
) -> None:
    """Refuse a path at which nothing is.

    Args:
        path: as the user gave it.
        name: what messages call it, as an argument or a flag.
        wanted: what it should be.
        kind: the same as one word, with a space after it.

    Raises:
        ValueError: If it is a URL.
        FileNotFoundError: If nothing is there.
    """
    if path.exists():
        return
    if url := find_url(path):
        if url.startswith("file:"):
            hint = "give its path without file://"
        else:
            hint = f"download it first, for example with curl -L -O {url}"
        raise ValueError(
            f"{name} must be {wanted} on this machine, got the URL {url!r}: {hint}"
        )
    if path.is_symlink():
        raise FileNotFoundError(
            f"{name}: {str(path)!r} is a dead link to {str(path.readlink())!r}"
        )
    raise FileNotFoundError(f"{name}: there is no {kind}{str(path)!r}")


def find_substitute(head: bytes) -> tuple[str, str] | None:
    """Return what stands in the place of a file that begins so, and what to do.

    Args:
        head: the first kilobyte, or all of a shorter file.

    Returns:
        The kind with its article, and advice that begins with a verb; None for a file
        that may well be the one that is meant.
    """
    if not head:
        return "an empty file", "copy or download it again"
    if head.startswith(b"version https://git-lfs"):
        return (
            "a Git LFS pointer instead of the file",
            "run `git lfs pull` in its repository",
        )
    text = head.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if text.startswith((b"<!doctype html", b"<html")):
        return "a web page", "download the file itself that the page shows or links to"
    return None
