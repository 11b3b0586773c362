"""Running a typer program with our way of reporting errors."""

import sys

import typer

from styleflax.cli.errors import one_line_errors


def call(command: typer.Typer, arguments: list[str], name: str) -> None:
    """Runs a program; a user's mistake is one line on stderr and exit code 2."""
    with one_line_errors():
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
