"""Files that are written whole or not at all."""

import contextlib
import os
from pathlib import Path

from styleflax.files import temporary_beside


def write_atomically(path: Path, data: bytes, what: str = "the model file") -> None:
    """Write a file whole or not at all.

    Args:
        path: the file; an older one is replaced.
        data: all of it.
        what: what the message calls it.

    Raises:
        OSError: the file cannot be written.
    """
    temporary = temporary_beside(path)
    try:
        with temporary.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError as error:
        reason = error.strerror or error
        raise OSError(f"cannot write {what} {path}: {reason}") from error
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
