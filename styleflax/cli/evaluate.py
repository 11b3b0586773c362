"""`styleflax eval` and `eval.py`: models and other programs' pictures, measured."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from styleflax.cli.app import call
from styleflax.cli.report import print_table
from styleflax.files import check_folder
from styleflax.images.listing import check_out_folder, check_outside

if TYPE_CHECKING:
    from styleflax.evaluation.runner import Result

# Options whose description is long; the others stand at the command itself.
_Outputs = Annotated[
    list[str] | None,
    typer.Option(
        metavar="NAME:DIR",
        help="Score results of another program: a folder of files named "
        "CONTENT__STYLE.*; may be repeated.",
    ),
]
_Baselines = Annotated[
    bool,
    typer.Option(
        help="Also score the untouched photos and paintings, and photos recolored by "
        "CORAL."
    ),
]
_Gatys = Annotated[
    str | None,
    typer.Option(
        help="Also score images optimized by Gatys' method after these numbers of "
        "iterations, separated by commas."
    ),
]
_NumPairs = Annotated[
    int | None,
    typer.Option(help="Number of pairs to score, evenly spaced. Default: all."),
]
_Networks = Annotated[
    str,
    typer.Option(
        help="Networks that measure distances, separated by commas: vgg16, alexnet."
    ),
]
_Inception = Annotated[
    Path | None, typer.Option(help="Weights file of the Inception network; adds FID.")
]
_ArtInception = Annotated[
    Path | None,
    typer.Option(help="Weights file of ArtFID's Inception network; adds ArtFID."),
]

_Size = Annotated[
    int,
    typer.Option(
        help="Side in pixels to which photos and paintings are cropped and resized."
    ),
]
_Overwrite = Annotated[
    bool,
    typer.Option(
        "--overwrite", help="Discard scores in OUT that were made with other settings."
    ),
]

_SHOWN = ("gram_vgg16", "gram_alexnet", "lpips_alexnet", "lpips_vgg16", "ssim")


def evaluate(
    content: Annotated[Path, typer.Option(help="Folder of photos.")],
    style: Annotated[Path, typer.Option(help="Folder of paintings.")],
    out: Annotated[Path, typer.Option(help="Folder for the report.")],
    weights: Annotated[
        list[str] | None,
        typer.Option(help="Name of a model or a model file; may be repeated."),
    ] = None,
    outputs: _Outputs = None,
    alphas: Annotated[
        str, typer.Option(help="Strengths to score, separated by commas.")
    ] = "0,0.25,0.5,0.75,1",
    alpha: Annotated[float | None, typer.Option(hidden=True)] = None,
    size: _Size = 512,
    baselines: _Baselines = True,
    networks: _Networks = "vgg16,alexnet",
    num_pairs: _NumPairs = None,
    gatys: _Gatys = None,
    inception: _Inception = None,
    art_inception: _ArtInception = None,
    keep_pictures: Annotated[
        bool, typer.Option(help="Write all results to OUT/pictures.")
    ] = True,
    overwrite: _Overwrite = False,
) -> None:
    """Score every pair of photos and paintings, and write a report.

    After an interruption, the same command continues.
    """
    from styleflax.evaluation import runner  # noqa: PLC0415  (--help answers at once)
    from styleflax.evaluation.systems import parse_outputs  # noqa: PLC0415

    for folder, flag in ((content, "--content"), (style, "--style")):
        check_folder(folder, flag, "a folder of images")
    check_out_folder(out, "--out")
    check_outside(out, [content, style], "--out")
    strengths = parse_strengths(alphas) if alpha is None else (alpha,)
    options = runner.Options(
        size_px=size,
        alphas=strengths,
        outputs=tuple(parse_outputs(text) for text in outputs or ()),
        baselines=baselines,
        networks=tuple(name.strip() for name in networks.split(",")),
        num_pairs=num_pairs,
        gatys=parse_iterations(gatys),
        inception=inception,
        art_inception=art_inception,
        keep_pictures=keep_pictures,
        overwrite=overwrite,
    )
    # With results of other programs, no model needs to be scored.
    names = weights or ([] if outputs or gatys else ["adain"])
    _show(runner.evaluate(names, content, style, out, options))


def parse_strengths(text: str) -> tuple[float, ...]:
    """Returns the numbers of "0,0.5,1".

    Raises:
        ValueError: If one is no number.
    """
    try:
        return tuple(float(part) for part in text.split(","))
    except ValueError:
        raise ValueError(
            f"--alphas must be numbers joined by commas, got {text!r}"
        ) from None


def parse_iterations(text: str | None) -> tuple[int, ...]:
    """Returns the numbers of "100,300"; none for None.

    Raises:
        ValueError: If one is no whole number.
    """
    try:
        return tuple(int(part) for part in text.split(",")) if text else ()
    except ValueError:
        raise ValueError(
            f"--gatys must be whole numbers joined by commas, got {text!r}"
        ) from None


def _show(result: "Result") -> None:
    """Prints the most important means, and where the rest is."""
    from styleflax.evaluation.report.summary import summarize  # noqa: PLC0415

    summaries = summarize(result.rows, result.sets)
    shown = [name for name in _SHOWN if any(name in s.values for s in summaries)]
    sets = sorted({name for summary in summaries for name in summary.whole})
    rows = []
    for summary in summaries:
        means = [summary.values[n].mean if n in summary.values else None for n in shown]
        numbers = [*means, *(summary.whole.get(name) for name in sets)]
        cells = ("-" if x is None else f"{x:.4f}" for x in numbers)
        rows.append((summary.label, str(summary.num_pairs), *cells))
    print_table(("system", "pairs", *shown, *sets), rows)
    for note in result.notes:
        print(note)
    others = "results.json, results.md, pairs.csv and identity.csv"
    print(f"{result.report}, and {others} in the same folder")


def main() -> None:
    """Entry point of `eval.py`."""
    program = typer.Typer(
        add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False
    )
    program.command()(evaluate)
    call(program, sys.argv[1:], "eval.py")
