"""The `styleflax` command, one file per subcommand."""

import atexit
import gc
import time

GARBAGE_THRESHOLD = 50_000
"""Objects made between searches for garbage: importing makes many, and none of it."""

started: float | None = None
"""When the command began, by `time.perf_counter`; None where it is called in another
program."""


def main() -> None:
    """Entry point of the `styleflax` command."""
    global started  # noqa: PLW0603  (the process has one command)
    started = time.perf_counter()
    gc.set_threshold(GARBAGE_THRESHOLD)
    # Nor at the end, where Python would look through all of it several times.
    atexit.register(gc.freeze)
    from styleflax.cli.app import run  # noqa: PLC0415  (typer is slow to import)
    from styleflax.compile_cache.folder import keep_programs  # noqa: PLC0415

    keep_programs()
    run()
