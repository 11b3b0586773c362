"""The folder of compiled programs that are cached between runs.

Nothing here imports JAX: its own compilation cache is set by environment variables,
which it reads as it is imported.
"""

import contextlib
import functools
import hashlib
import os
import platform
from pathlib import Path

from styleflax.files import find_cache_dir, write_file

SWITCH = "STYLEFLAX_COMPILATION_CACHE"
"""Environment variable; "off" disables the cache; JAX's own cache is unchanged."""
JAX_SWITCH = "JAX_ENABLE_COMPILATION_CACHE"
JAX_FOLDER = "JAX_COMPILATION_CACHE_DIR"
MAX_BYTES = 512 * 2**20
"""Limit for all programs of a user; a program for one image size has about 0.1 MB."""

PROGRAM_SUFFIX = ".program"

_OFF = frozenset({"0", "off", "false", "no", "n", "f"})
_DIGEST_BYTES = 32
_OF_CPU = ("flags", "Features", "model name", "CPU part")


class _Setting:
    """The setting of this process."""

    folder: Path | None = None


def keep_programs() -> None:
    """Makes this process cache its compiled programs and reuse cached ones.

    Programs are stored in `JAX_COMPILATION_CACHE_DIR` if it is set, else in the user's
    cache folder by kind of processor, since a program for one processor may crash
    another. JAX's own cache is enabled as well, for programs that `cached_jit` does not
    run. Call this function before JAX is imported. If the folder cannot be written,
    nothing is cached.
    """
    if any(_is_off(name) for name in (SWITCH, JAX_SWITCH)):
        return
    chosen = os.environ.get(JAX_FOLDER, "")
    if "://" in chosen:
        return  # JAX knows how to write there; nobody else does
    try:
        folder = (
            Path(chosen) if chosen else find_cache_dir() / "compiled" / machine_name()
        )
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except (OSError, RuntimeError):  # RuntimeError: there is no home
        return
    _Setting.folder = folder
    if os.access(folder, os.W_OK):  # or JAX would complain of every program
        os.environ.setdefault(JAX_FOLDER, str(folder))
        # What is compiled in less than a second is worth keeping, too.
        os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0")


def program_folder() -> Path | None:
    """Returns the folder of compiled programs; None if none are cached."""
    return _Setting.folder


def read_cached(path: Path) -> bytes | None:
    """Returns the content of a cached file; None if it is missing or damaged."""
    try:
        content = path.read_bytes()
    except OSError:
        return None
    digest, content = content[:_DIGEST_BYTES], content[_DIGEST_BYTES:]
    if hashlib.sha256(content).digest() != digest:
        return None
    with contextlib.suppress(OSError):  # a folder may be read-only
        os.utime(path)  # it was used: see `limit_size`
    return content


def write_cached(path: Path, content: bytes) -> None:
    """Writes a file atomically; does nothing if it cannot be written."""
    with contextlib.suppress(OSError):
        write_file(path, hashlib.sha256(content).digest() + content)
        limit_size(path.parent)


def limit_size(folder: Path, max_bytes: int = MAX_BYTES) -> None:
    """Deletes the least recently used programs until the rest fits.

    Args:
        folder: Folder of programs, or of folders of programs.
        max_bytes: Largest total size.
    """
    files = []
    for path in folder.rglob("*"):
        try:
            status = path.lstat()
        except OSError:
            continue  # another process deletes, too
        if path.suffix == PROGRAM_SUFFIX or path.name.endswith("-cache"):
            used = max(status.st_mtime, status.st_atime)
            files.append((used, status.st_size, path))
    too_much = sum(size for _, size, _ in files) - max_bytes
    for _, size, path in sorted(files):
        if too_much <= 0:
            return
        path.unlink(missing_ok=True)
        too_much -= size


def _is_off(name: str) -> bool:
    return os.environ.get(name, "").strip().lower() in _OFF


@functools.cache
def machine_name() -> str:
    """Returns a name for this kind of processor, from all its features."""
    described = [platform.system(), platform.machine(), platform.processor()]
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.is_file():
        first = cpuinfo.read_text(errors="replace").split("\n\n", 1)[0]
        described += [line for line in first.splitlines() if line.startswith(_OF_CPU)]
    digest = hashlib.sha256("\n".join(described).encode()).hexdigest()
    return f"{platform.machine() or 'machine'}-{digest[:12]}"
