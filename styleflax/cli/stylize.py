"""`styleflax stylize`: photographs in the styles of paintings."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from styleflax.cli import stylize_flags as flags
from styleflax.cli.stylize_inputs import (
    DASH,
    STYLE_SUFFIXES,
    Mix,
    Source,
    expand,
    refuse_two_inputs,
)
from styleflax.cli.stylize_targets import find_targets
from styleflax.cli.stylize_times import Times
from styleflax.data.decoding import MAX_MEGAPIXELS

if TYPE_CHECKING:
    from styleflax.cli.stylize_job import Job
    from styleflax.inference.controls import ControlArguments
    from styleflax.inference.stylizer import Stylizer


def stylize(
    photos: flags.Photos,
    style: flags.Paintings,
    out: flags.Out,
    alpha: flags.Alpha = 1.0,
    blend: flags.Blend = None,
    level_balance: flags.LevelBalance = None,
    size: flags.Size = None,
    weights: flags.Weights = "adain",
    split_rows: flags.SplitRows = False,
    overwrite: flags.Overwrite = False,
    metadata: flags.WhatOfMetadata = flags.Metadata.STRIP,
    format_: flags.FormatOut = None,
    max_megapixels: flags.MaxMegapixels = MAX_MEGAPIXELS,
    as_json: flags.AsJson = False,
    seed: flags.Seed = 0,
) -> None:
    """Stylize photographs with paintings."""
    del seed
    times = Times()
    with times.phase("import"):  # late, so that --help answers at once
        from styleflax.cli.stylize_job import Job  # noqa: PLC0415
        from styleflax.inference.controls import make_plan  # noqa: PLC0415
        from styleflax.inference.stylizer import Stylizer  # noqa: PLC0415

    _check_flags(out, max_megapixels, as_json=as_json)
    refuse_two_inputs(photos, style)
    contents = expand(photos, "PHOTO")
    styles = expand(style, "--style", STYLE_SUFFIXES)
    mixes, controls = _mixes_and_controls(styles, alpha, blend, level_balance, size)
    plan = make_plan(len(mixes[0]), **controls)  # so that mistakes are found first
    suffix = None if format_ is None else f".{format_}"
    targets = find_targets(contents, mixes, out, suffix=suffix, overwrite=overwrite)
    keep = metadata is flags.Metadata.KEEP
    job = Job(
        *(contents, mixes, targets, controls, plan.masking),
        *(suffix or ".png", max_megapixels, keep, overwrite),
    )
    with times.watching_compiler():
        with times.phase("weights"):
            stylizer = Stylizer.load(weights, split_rows=split_rows)
        stylizer.check_extras(plan.extras)
        _run(job, stylizer, times, as_json=as_json)


def _run(job: "Job", stylizer: "Stylizer", times: Times, *, as_json: bool) -> None:
    """Makes the pictures and ends the program with 1 if some have failed."""
    from styleflax.cli.stylize_job import run_job  # noqa: PLC0415
    from styleflax.cli.stylize_report import Report  # noqa: PLC0415

    with Report(len(job.targets), as_json=as_json) as report:
        with times.phase("run"):
            run_job(job, stylizer, report)
        if report.end(times.seconds):
            raise typer.Exit(1)


def _mixes_and_controls(
    styles: Sequence[Source],
    alpha: float,
    blend: str | None,
    level_balance: float | None,
    size: int | None,
) -> tuple[list[Mix], "ControlArguments"]:
    """Which styles go together, and the arguments of `Stylizer.__call__`."""
    controls: ControlArguments = {"alpha": alpha, "size": size}
    if level_balance is not None:
        controls["level_balance"] = level_balance
    if blend is None:
        return [(painting,) for painting in styles], controls
    controls["weights"] = _numbers(blend)
    return [tuple(styles)], controls


def _check_flags(out: Path, max_megapixels: float, *, as_json: bool) -> None:
    if not max_megapixels > 0:  # so that NaN fails too
        raise ValueError(f"--max-megapixels must be above 0, got {max_megapixels}")
    if as_json and out == DASH:
        raise ValueError("--json and -o - both write to standard output")


def _numbers(text: str) -> list[float]:
    try:
        return [float(part) for part in text.split(",")]
    except ValueError:
        raise ValueError(
            f"--blend must be numbers joined by commas, got {text!r}"
        ) from None


def spread_styles(arguments: Sequence[str]) -> list[str]:
    """Arguments where `--style A B` is `--style A --style B`.

    So that a shell's `--style paintings/*.jpg` works. Only where a photograph
    stands before `--style`: otherwise what follows the first painting are the
    photographs.
    """
    spread: list[str] = []
    photo_before = False
    option = ""
    for argument in arguments[1:]:
        if argument.startswith("-") and argument != "-":
            has_value = "=" in argument or argument[:2] not in ("--", argument)
            # As in --size=9 and -oOUT; what follows a switch is no value of it.
            has_value = has_value or argument in flags.SWITCHES
            option = "" if has_value else argument
        elif option == "--style":
            option = "more styles" if photo_before else ""
        elif option == "more styles":
            spread.append("--style")
        elif option:
            option = ""
        else:
            photo_before = True
        spread.append(argument)
    if list(arguments[:1]) != ["stylize"]:
        return list(arguments)
    return ["stylize", *spread]
