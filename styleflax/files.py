"""The user's cache folder of this package."""

import os
from pathlib import Path

CACHE_VARIABLE = "STYLEFLAX_CACHE"
"""Environment variable that moves the cache."""


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
