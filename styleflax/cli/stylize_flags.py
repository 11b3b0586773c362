"""Arguments and flags of `styleflax stylize`."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer


class Metadata(StrEnum):
    """What happens to the EXIF data and the color profile of a photo."""

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
        help="Photos or folders; - is standard input. Put them before --style, or "
        "after --."
    ),
]
Paintings = Annotated[
    list[Path] | None,
    typer.Option(
        help="Paintings or folders; every photo is combined with every painting. For "
        "models with built-in styles: the name or number of a style (optional "
        "if there is only one)."
    ),
]
PhotosIfAny = Annotated[
    list[Path] | None,
    typer.Argument(
        help="Photos or folders; - is standard input. Omit them if --pairs is a CSV "
        "file.",
    ),
]
Pairs = Annotated[
    str | None,
    typer.Option(
        "--pairs",
        help="Make selected pairs instead of all: zip pairs the first photo with the "
        "first style and so on; a CSV file has the columns content and style, "
        "and optionally alpha and output.",
    ),
]
Out = Annotated[
    Path,
    typer.Option(
        "-o",
        "--out",
        help="File for one pair, folder for several; - is standard output.",
    ),
]
Alpha = Annotated[
    float, typer.Option(help="Strength of the style, from 0 (photo) to 1.")
]
Blend = Annotated[
    str | None,
    typer.Option(help="Blend all styles in one result by these shares: 0.7,0.3."),
]
LevelBalance = Annotated[
    float | None,
    typer.Option(
        help="Balance of SANet's layers: 0 uses relu4_1 only (fine strokes), 1 "
        "relu5_1 only (coarse strokes), 0.5 both."
    ),
]
Size = Annotated[
    int | None,
    typer.Option(
        help="Length of the short side of the result in pixels. Default: same as the "
        "photo."
    ),
]
Refine = Annotated[
    int,
    typer.Option(
        help="Refine the result by this many iterations of Gatys' optimization, for "
        "example 20 (slow). Images of 1024 px or more take as many at each "
        "resolution level."
    ),
]
Weights = Annotated[
    str,
    typer.Option(
        help="Name of a model, a model file, or its URL (https://... or "
        "hf://USER/REPO/FILE)."
    ),
]
SplitRows = Annotated[
    bool,
    typer.Option("--split-rows", help="Split each image by rows across all devices."),
]
Tile = Annotated[
    int | None,
    typer.Option(
        "--tile",
        help="Side in pixels of the tiles in which images are processed: for AdaIN a "
        "multiple of 8, at least 136; for SANet a multiple of 16, at least 272; "
        "0 disables tiling. Default: chosen for each image.",
    ),
]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace existing files.")]
Resume = Annotated[
    bool,
    typer.Option(
        "--resume",
        help="Continue interrupted work: skip results that are complete. Results "
        "made with other styles, weights or controls are refused.",
    ),
]
WhatOfMetadata = Annotated[
    Metadata,
    typer.Option(
        help="Keep or strip the EXIF data (which may contain the location) and the "
        "color profile."
    ),
]
FormatOut = Annotated[
    Format | None,
    typer.Option(
        "--format",
        help="Format of results in a folder or on standard output. Default: png.",
    ),
]
MaxMegapixels = Annotated[
    float,
    typer.Option(
        help="Refuse images with more megapixels than this before they are decoded."
    ),
]
AsJson = Annotated[
    bool,
    typer.Option(
        "--json",
        help="Print one line of JSON per result and one at the end; see docs/json.md.",
    ),
]
Seed = Annotated[
    int,
    typer.Option(help="Accepted for scripts; no current method draws random numbers."),
]

SWITCHES = frozenset({"--split-rows", "--overwrite", "--resume", "--json"})
"""Flags that have no value."""
