"""Arguments and flags of `styleflax video` that other commands have not got."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer


class Sound(StrEnum):
    """What becomes of a video's sound."""

    KEEP = "keep"
    DROP = "drop"


class PixelFormat(StrEnum):
    """How finely the colors of a video are written."""

    YUV420P = "yuv420p"
    YUV444P = "yuv444p"


Clip = Annotated[
    Path,
    typer.Argument(
        metavar="VIDEO",
        help="A video of any kind that PyAV reads; an animated GIF, WebP, APNG or "
        "AVIF; a folder of numbered pictures, which are one clip, or of videos.",
    ),
]
Paintings = Annotated[
    list[Path],
    typer.Option(
        help="Painting or style file; several by --blend, --mask, --keyframe."
    ),
]
Out = Annotated[
    Path,
    typer.Option(
        "-o",
        "--out",
        help="A file: .mp4 .m4v .mov .mkv .webm .gif .webp .png; a folder for a folder "
        "of videos.",
    ),
]
Smooth = Annotated[
    float, typer.Option(help="Seconds over which statistics are averaged; 0 is none.")
]
Steady = Annotated[
    float, typer.Option(help="Share of the last frame, moved along; 0 is none.")
]
Crf = Annotated[
    int | None,
    typer.Option(help="Constant quality: 0 is best; default 18, and 24 for .webm."),
]
PixelFormatOut = Annotated[
    PixelFormat,
    typer.Option(
        "--pixel-format",
        help="Use yuv420p, which every player shows, or yuv444p, with colors at full "
        "size and odd sides in H.264.",
    ),
]
Fps = Annotated[
    float | None,
    typer.Option(help="Frames in a second of numbered pictures; default 25."),
]
Audio = Annotated[Sound, typer.Option(help="Copied where the container can hold it.")]
AsJson = Annotated[
    bool, typer.Option("--json", help="One line of JSON for the video, one at end.")
]
