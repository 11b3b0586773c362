"""Running a typer program with our way of reporting errors."""

import sys

import click
import typer

from styleflax.cli.errors import one_line_errors


def call(command: typer.Typer, arguments: list[str], name: str) -> None:
    """Runs a program; a user's mistake is one line on stderr and exit code 2."""
    with one_line_errors():
        try:
            code = command(arguments, prog_name=name, standalone_mode=False)
        except click.exceptions.NoArgsIsHelpError as error:
            print(error.format_message())
            sys.exit(0)
        except click.ClickException as error:
            raise ValueError(error.format_message().replace("\n", " ")) from error
        except click.Abort:
            sys.exit(130)
    sys.exit(code or 0)
