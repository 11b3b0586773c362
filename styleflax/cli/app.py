"""The `styleflax` command as a whole."""

import sys
from typing import Annotated

import typer

import styleflax
from styleflax.cli import (
    dataset,
    demo,
    doctor,
    evaluate,
    gatys,
    sheet,
    style,
    stylize,
    video,
    weights,
)
from styleflax.cli.calling import call

app = typer.Typer(
    name="styleflax",
    help="Arbitrary style transfer in JAX.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)
app.command("stylize")(stylize.stylize)
app.command("video")(video.video)
app.command("gatys")(gatys.gatys)
app.command("sheet")(sheet.sheet)
app.command("dataset")(dataset.dataset)
app.command("eval")(evaluate.evaluate)
app.command("demo")(demo.demo)
app.command("doctor")(doctor.doctor)
app.add_typer(style.app, name="style")
app.add_typer(weights.app, name="weights")


@app.command(
    "train",
    add_help_option=False,
    context_settings={"allow_extra_args": True, "ignore_unknown_options": True},
)
def train(context: typer.Context) -> None:
    """Train: --config=FILE --workdir=DIR, and any --config.FIELD=VALUE."""
    from styleflax.cli import train as training  # noqa: PLC0415  (defines absl flags)

    training.main(["styleflax train", *context.args])


def _print_version(wanted: bool) -> None:
    if wanted:
        print(f"styleflax {styleflax.__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool,
        typer.Option(
            "--version",
            callback=_print_version,
            is_eager=True,
            help="Print it and end.",
        ),
    ] = False,
) -> None:
    del version


def run(arguments: list[str] | None = None) -> None:
    """Runs the command; a user's mistake is one line on stderr and exit code 2."""
    given = sys.argv[1:] if arguments is None else arguments
    call(app, stylize.spread_styles(given), "styleflax")
