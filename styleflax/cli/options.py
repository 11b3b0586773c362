"""Options that several commands share, and the controls that they make."""

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    pass


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


class Color(StrEnum):
    """Where colors come from: the style, or in one of three ways the photo."""

    STYLE = "style"
    CORAL = "coral"
    LUMINANCE = "luminance"
    LAB = "lab"


Exaggerate = Annotated[
    float | None,
    typer.Option(
        help="Multiply the strength by this factor, from 1 to 10, to go beyond "
        "--alpha 1."
    ),
]
Masks = Annotated[
    list[str] | None,
    typer.Option(
        "--mask",
        help="Mask of a region, white inside, as FILE[:STYLE][@ALPHA]; may be "
        "repeated. FILE can be the word 'alpha' (the opacity of the photo) or "
        "'rest' (the part that no other mask covers). STYLE is the number of a "
        "--style from 1, or a share of each: 0.3,0.7. ALPHA is the strength. Select "
        "one label of a label map by its number or color: 'labels.png[3]' or "
        "'labels.png[#ff0000]'.",
    ),
]
Feather = Annotated[
    float, typer.Option(help="Width in pixels over which the edges of masks fade.")
]
WhatColor = Annotated[
    Color,
    typer.Option(
        "--color",
        help="Take the colors from the style, or keep those of the photo: coral and "
        "lab match color statistics, luminance keeps hues exactly.",
    ),
]
ColorMatch = Annotated[
    float | None,
    typer.Option(
        help="Move the colors of the result toward those of the painting, from 0 "
        "(not at all) to 1 (fully). Default: set by the weights."
    ),
]
Detail = Annotated[
    float | None,
    typer.Option(
        help="Restore fine detail of the photo below strength 1, from 0 (none) to 1 "
        "(all, so that --alpha 0 returns the photo). Default: set by the "
        "weights."
    ),
]
StyleSize = Annotated[
    int | None,
    typer.Option(
        help="Resize paintings to this short side in pixels before they are encoded. "
        "Default: their own size, at most 512."
    ),
]
RestoreSize = Annotated[
    bool,
    typer.Option(
        "--restore-size",
        help="Scale the result back to the size of the photo after --size.",
    ),
]
Keyframes = Annotated[
    list[str] | None,
    typer.Option(
        "--keyframe",
        help="Shares of the styles at a time in seconds, as TIME:SHARES, for example "
        "0:1,0 and 2.5:0,1; may be repeated. Shares between keyframes are "
        "interpolated.",
    ),
]
StyleMasks = Annotated[
    list[str] | None,
    typer.Option(
        "--style-mask",
        help="Mask of the part of a painting to use, white inside, as FILE[:STYLE]; "
        "may be repeated. STYLE is the number of its --style from 1. Default: "
        "masks belong to the styles in order (those of a folder by name). "
        "Labels are selected as for --mask.",
    ),
]

SWITCHES = frozenset(
    {"--split-rows", "--overwrite", "--resume", "--json", "--restore-size"}
)
"""Options that have no value."""
