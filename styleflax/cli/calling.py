"""Running a typer program with our way of reporting errors."""

import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import typer

from styleflax.cli.errors import one_line_errors


def call(command: typer.Typer, arguments: list[str], name: str) -> None:
    """Runs a program; a user's mistake is one line on stderr and exit code 2."""
    with one_line_errors(), _told_warnings():
        try:
            code = command(arguments, prog_name=name, standalone_mode=False)
        except typer.Abort:
            sys.exit(130)
        except Exception as error:
            # Typer's errors are click's in some versions and its own copy of them
            # in others; what they share is this method.
            if not hasattr(error, "format_message"):
                raise
            text = error.format_message()
            if type(error).__name__ == "NoArgsIsHelpError":
                print(text)
                sys.exit(0)
            raise ValueError(" ".join(text.split())) from error
    sys.exit(code or 0)


class _Teller(logging.Handler):
    """Prints warnings of the library, unless another handler does."""

    def emit(self, record: logging.LogRecord) -> None:
        """Prints a line on standard error without breaking a progress bar."""
        if any(type(h) is logging.StreamHandler for h in logging.getLogger().handlers):
            return
        from tqdm import tqdm  # noqa: PLC0415  (of rare use)

        text = " ".join(record.getMessage().split())
        tqdm.write(f"styleflax: warning: {text}", file=sys.stderr)


@contextmanager
def _told_warnings() -> Iterator[None]:
    library, teller = logging.getLogger("styleflax"), _Teller(logging.WARNING)
    library.addHandler(teller)
    try:
        yield
    finally:
        library.removeHandler(teller)
