"""Arguments and flags of `styleflax video` alone."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer


class Sound(StrEnum):
    """What happens to the sound of a video."""

    KEEP = "keep"
    DROP = "drop"


class PixelFormat(StrEnum):
    """Pixel format of a video."""

    YUV420P = "yuv420p"
    YUV444P = "yuv444p"


Clip = Annotated[
    Path,
    typer.Argument(
        metavar="VIDEO",
        help="Video in a format that PyAV reads; animated GIF, WebP, APNG or AVIF; "
        "folder of numbered images (one clip) or of videos.",
    ),
]
Paintings = Annotated[
    list[Path],
    typer.Option(
        help="Painting or style file; several require --blend, --mask or --keyframe."
    ),
]
Out = Annotated[
    Path,
    typer.Option(
        "-o",
        "--out",
        help="File for the result (.mp4 .m4v .mov .mkv .webm .gif .webp .png), or a "
        "folder if VIDEO is a folder of videos.",
    ),
]
Smooth = Annotated[
    float,
    typer.Option(
        help="Time in seconds over which statistics are averaged; 0 disables averaging."
    ),
]
Steady = Annotated[
    float,
    typer.Option(
        help="Share of the previous result, moved by the estimated motion, in each "
        "frame; 0 disables it."
    ),
]
Crf = Annotated[
    int | None,
    typer.Option(
        help="Constant rate factor of the encoder; 0 is the best quality. Default: "
        "18, or 24 for .webm."
    ),
]
PixelFormatOut = Annotated[
    PixelFormat,
    typer.Option(
        "--pixel-format",
        help="Pixel format: yuv420p (shown by every player) or yuv444p (colors at "
        "full resolution; allows odd sides in H.264).",
    ),
]
Fps = Annotated[
    float | None,
    typer.Option(help="Frame rate of a folder of numbered images. Default: 25."),
]
Audio = Annotated[
    Sound, typer.Option(help="Keep the sound if the container supports it, or drop it.")
]
AsJson = Annotated[
    bool,
    typer.Option(
        "--json",
        help="Print one line of JSON per video and one at the end; see docs/json.md.",
    ),
]
