"""The `styleflax` command as a whole."""

import importlib
import sys
from collections.abc import Collection
from typing import Annotated

import typer

import styleflax
from styleflax.cli.argument_order import spread_styles
from styleflax.cli.calling import call
from styleflax.cli.errors import one_line_errors

_COMMANDS = (
    *("stylize", "video", "gatys", "sheet", "serve", "dataset", "eval", "demo"),
    *("doctor", "train", "style", "weights", "export", "site"),
)
"""Names of the commands, in the order of --help."""

_MODULES = {"eval": "evaluate"}
"""Modules of commands whose module has another name."""

_GROUPS = ("style", "weights")
"""Commands with subcommands."""


def _make_app(names: Collection[str]) -> typer.Typer:
    """The program with these commands; modules of others are not imported."""
    app = typer.Typer(
        name="styleflax",
        help="Put photos into the style of paintings, with JAX.",
        no_args_is_help=True,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
    )
    app.callback()(_options)
    for name in names:
        if name == "train":
            add = app.command(name, add_help_option=False, context_settings=_ANY)
            add(_train)
            continue
        module_name = _MODULES.get(name, name)
        module = importlib.import_module(f"styleflax.cli.{module_name}")
        if name in _GROUPS:
            app.add_typer(module.app, name=name)
        else:
            app.command(name)(getattr(module, module_name))
    return app


_ANY = {"allow_extra_args": True, "ignore_unknown_options": True}


def _train(context: typer.Context) -> None:
    """Train a model as a configuration file says; see `styleflax train --help`."""
    from styleflax.cli import train as training  # noqa: PLC0415  (defines absl flags)

    training.main(["styleflax train", *context.args])


def _print_version(wanted: bool) -> None:
    if wanted:
        print(f"styleflax {styleflax.__version__}")
        raise typer.Exit


def _options(
    version: Annotated[
        bool,
        typer.Option(
            "--version",
            callback=_print_version,
            is_eager=True,
            help="Print the version and exit.",
        ),
    ] = False,
) -> None:
    del version


def run(arguments: list[str] | None = None) -> None:
    """Runs the command; a user's mistake is one line on stderr and exit code 2."""
    given = sys.argv[1:] if arguments is None else arguments
    # Importing all commands takes as long as half of JAX.
    names = [name for name in _COMMANDS if name in given[:1]] or _COMMANDS
    with one_line_errors():
        arguments = spread_styles(given)
    call(_make_app(names), arguments, "styleflax")
