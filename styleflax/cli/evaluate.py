"""`styleflax eval` and `eval.py`: losses of model files on folders of pictures."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from styleflax.cli.calling import call


def evaluate(
    content: Annotated[Path, typer.Option(help="Folder of contents.")],
    style: Annotated[Path, typer.Option(help="Folder of styles.")],
    out: Annotated[Path, typer.Option(help="Folder for results.")],
    weights: Annotated[
        list[str] | None, typer.Option(help="A name or a model file; may be repeated.")
    ] = None,
    size: Annotated[int, typer.Option(help="Side of the square pictures.")] = 256,
    alpha: Annotated[float, typer.Option(help="Strength in the contact sheet.")] = 1.0,
) -> None:
    """Score models on every pair: content loss and style loss, and a contact sheet."""
    from rich.console import Console  # noqa: PLC0415  (late: --help answers at once)
    from rich.table import Table  # noqa: PLC0415

    from styleflax.evaluation import runner  # noqa: PLC0415

    names = weights or ["adain"]
    pairs = runner.evaluate(names, content, style, out, size_px=size, alpha=alpha)
    table = Table("weights", "pairs", "content loss", "style loss")
    for name, (content_loss, style_loss, count) in runner.mean_losses(pairs).items():
        table.add_row(name, str(count), f"{content_loss:.4f}", f"{style_loss:.4f}")
    Console(markup=False, highlight=False).print(table)
    print(f"{out / 'losses.json'} and a contact sheet of each model beside it")


def main() -> None:
    """Entry point of `eval.py`."""
    program = typer.Typer(
        add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False
    )
    program.command()(evaluate)
    call(program, sys.argv[1:], "eval.py")
