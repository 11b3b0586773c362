"""Arguments and flags of `styleflax stylize`."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer


class Metadata(StrEnum):
    """What becomes of a photograph's EXIF block and colour profile."""

    KEEP = "keep"
    STRIP = "strip"


class Format(StrEnum):
    """Formats that can be written, by their suffixes."""

    PNG = "png"
    JPG = "jpg"
    WEBP = "webp"
    TIF = "tif"
    BMP = "bmp"


Photos = Annotated[
    list[Path],
    typer.Argument(
        help="Photographs, or folders; - is standard input. They stand before --style, "
        "or after --."
    ),
]
Paintings = Annotated[
    list[Path] | None,
    typer.Option(
        help="Paintings, or folders; every pair is made. Of a model that has styles of "
        "its own their names or numbers, nothing if it has one."
    ),
]
PhotosIfAny = Annotated[
    list[Path] | None,
    typer.Argument(
        help="Photographs, or folders; - is standard input. None with a CSV file of "
        "--pairs.",
    ),
]
Pairs = Annotated[
    str | None,
    typer.Option(
        "--pairs",
        help="Make chosen pairs instead of all: zip for photograph 1 in style 1 and so "
        "on, or a CSV file with the columns content, style and perhaps alpha, output.",
    ),
]
Out = Annotated[
    Path,
    typer.Option(
        "-o", "--out", help="A file for one pair, else a folder; - is standard output."
    ),
]
Alpha = Annotated[float, typer.Option(help="Strength of the style, 0 to 1.")]
Blend = Annotated[
    str | None,
    typer.Option(help="All styles in one picture, by these shares: 0.7,0.3"),
]
LevelBalance = Annotated[
    float | None,
    typer.Option(help="SANet: 0 for relu4_1 alone, 1 for relu5_1; 0.5 is both."),
]
Size = Annotated[
    int | None, typer.Option(help="Short side of the result; default its own.")
]
Refine = Annotated[
    int,
    typer.Option(
        help="Iterations of Gatys' optimization that follow the network, for instance "
        "20; slow. A picture of 1024 px or more takes that many at each of its levels."
    ),
]
Weights = Annotated[
    str,
    typer.Option(help="A name, a model file, or its URL: hf://USER/REPO/FILE, https."),
]
SplitRows = Annotated[
    bool, typer.Option("--split-rows", help="Each picture over all devices.")
]
Tile = Annotated[
    int | None,
    typer.Option(
        "--tile",
        help="Side in px of the windows through which pictures are seen: with AdaIN a "
        "multiple of 8 from 136 on, with SANet of 16 from 272 on; 0 is for whole "
        "pictures; chosen for each picture by default.",
    ),
]
Overwrite = Annotated[
    bool, typer.Option("--overwrite", help="Replace files that are there.")
]
Resume = Annotated[
    bool,
    typer.Option(
        "--resume",
        help="Go on with work that was stopped: skip results that are complete, and "
        "refuse those that were made by other styles, weights or controls.",
    ),
]
WhatOfMetadata = Annotated[
    Metadata,
    typer.Option(help="EXIF (with the place where it was taken) and colour profile."),
]
FormatOut = Annotated[
    Format | None,
    typer.Option("--format", help="Of what goes to a folder or -; default png."),
]
MaxMegapixels = Annotated[
    float, typer.Option(help="Larger pictures are refused before they are decoded.")
]
AsJson = Annotated[
    bool, typer.Option("--json", help="One line of JSON for each picture, one at end.")
]
Seed = Annotated[
    int, typer.Option(help="For methods that draw random numbers; AdaIN does not.")
]

SWITCHES = frozenset({"--split-rows", "--overwrite", "--resume", "--json"})
"""Flags that have no value."""
