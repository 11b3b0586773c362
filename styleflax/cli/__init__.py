"""The `styleflax` command: `app` has its entry point, the others a subcommand each."""

import time
from typing import TYPE_CHECKING

from styleflax.lazy import lazy_names

if TYPE_CHECKING:
    from styleflax.cli.app import main

__all__ = ["main"]

imported = time.perf_counter()
"""When this package was imported, with which the command begins."""
started: float | None = None
"""When the command began, by `time.perf_counter`; None where it is called in another
program."""

__getattr__, __dir__ = lazy_names(__name__, {"main": "app"})
