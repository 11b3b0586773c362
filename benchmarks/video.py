"""Flicker of stylized video, with and without its remedies, and frames a second.

    python benchmarks/video.py
    python benchmarks/video.py --models adain --frames 24 --side 192 --steady 0 0.8

The clip is a photograph inside scikit-image's wheel, panned and zoomed, so that it is
known where every point of a frame was in the frame before. The warping error is the
root of the mean squared difference between a frame and the one before, moved to where
its points have gone (by cubic interpolation), in 8-bit levels; Lai et al. 2018 measure
videos so, with estimated motion. The first line is the clip's own: what interpolation
alone makes of it. With --noise each frame has a camera's grain. The models are the
packaged ones.
"""

import argparse
import time
from typing import NamedTuple

import numpy as np
from PIL import Image
from rich.console import Console
from rich.table import Table
from skimage.transform import warp

from styleflax.images.files import load_image_u8, resize_short_side, to_u8
from styleflax.images.listing import held_out_photo, training_photos
from styleflax.inference.controls import make_plan
from styleflax.inference.video.stylizer import (
    SMOOTH_S,
    STEADY,
    VideoStylizer,
    load_for_video,
)

RATE = 24
LEVELS = 255


class View(NamedTuple):
    """Where a frame lies in the photograph: px there = scale * px + corner.

    Attributes:
        scale: Pixels of the photo for one pixel of the frame.
        corner: x and y.
    """

    scale: float
    corner: np.ndarray


def pan_and_zoom(
    photo_u8: np.ndarray, count: int, side_px: int, noise: float
) -> tuple[list[np.ndarray], list[View]]:
    """Frames of a slow ride over a photograph, and where they lie in it."""
    # Of a size at which nothing has to be shrunk, which would make patterns swim.
    picture = Image.fromarray(resize_short_side(photo_u8, round(side_px / 0.75)))
    rng, (width, height) = np.random.default_rng(0), picture.size
    frames, views = [], []
    for k in range(count):
        done = k / RATE / 2  # of a ride of two seconds
        scale = 1.0 - 0.25 * done
        room = np.array([width, height]) - scale * side_px
        corner = room * (0.2 + np.array([0.6, 0.4]) * np.sin(done * np.pi / 2))
        area = (scale, 0, corner[0], 0, scale, corner[1])
        size = (side_px, side_px)
        way = Image.Transform.AFFINE
        frame = picture.transform(size, way, area, Image.Resampling.BICUBIC)
        grain = rng.normal(0, noise, (side_px, side_px, 3))
        frames.append(np.uint8(np.clip(np.rint(np.asarray(frame) + grain), 0, 255)))
        views.append(View(scale, corner))
    return frames, views


def warping_error(frames: list[np.ndarray], views: list[View]) -> float:
    """Returns the difference of frames in [0, 1], in 8-bit levels."""
    squares = []
    for k in range(1, len(frames)):
        before, now = views[k - 1], views[k]
        ratio = now.scale / before.scale
        # Corners are those of pixels, `warp` counts from their centers.
        shift = (now.corner - before.corner) / before.scale + (ratio - 1) / 2
        matrix = np.array([[ratio, 0, shift[0]], [0, ratio, shift[1]], [0, 0, 1]])
        moved = warp(frames[k - 1], matrix, order=3, cval=np.nan)
        squares.append(np.nanmean(np.square(moved - frames[k])))
    return LEVELS * float(np.sqrt(np.mean(squares)))


def measure(
    name: str,
    frames: list[np.ndarray],
    views: list[View],
    smooth_s: float,
    steady: float,
    controls: dict[str, float | None],
) -> tuple[float, float]:
    """Warping error and frames a second, compilation not counted."""
    model, stylizer = load_for_video(name)
    style = stylizer.prepare_style(load_image_u8(training_photos()[2]))
    how = {"smooth_s": smooth_s, "steady": steady}
    stylize = VideoStylizer(model, stylizer, [style], make_plan(1, **controls), **how)
    made = [stylize(frames[0], 0.0)]
    started = time.perf_counter()
    made += [stylize(frame, k / RATE) for k, frame in enumerate(frames) if k]
    seconds = time.perf_counter() - started
    seen = [to_u8(frame) / np.float32(LEVELS) for frame in made]
    return warping_error(seen, views), (len(frames) - 1) / seconds


def main(options: argparse.Namespace) -> None:
    """Prints a line for each model and time constant."""
    photo_u8 = load_image_u8(held_out_photo())
    ride = (options.frames, options.side, options.noise)
    frames, views = pan_and_zoom(photo_u8, *ride)
    title = f"{options.frames} frames of {options.side} px; bar: less error with both"
    columns = ("model", "smoothed over", "steady", "warping error", "frames/s")
    table = Table(*columns, title=title)
    own = warping_error([frame / np.float32(LEVELS) for frame in frames], views)
    table.add_row("(the clip itself)", "", "", f"{own:.3f}", "")
    controls = {"alpha": options.alpha, "color_match": options.color_match}
    for name in options.models:
        for smooth_s in options.smooth:
            for steady in options.steady:
                how = (smooth_s, steady, controls)
                error, speed = measure(name, frames, views, *how)
                cells = (f"{smooth_s:g} s", f"{steady:g}", f"{error:.3f}")
                table.add_row(name, *cells, f"{speed:.2f}")
    Console().print(table)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--models", nargs="+", default=["adain", "sanet", "lite"])
    parser.add_argument("--smooth", nargs="+", type=float, default=[0.0, SMOOTH_S])
    parser.add_argument("--steady", nargs="+", type=float, default=[0.0, STEADY])
    parser.add_argument("--frames", type=int, default=2 * RATE)
    parser.add_argument("--side", type=int, default=256)
    parser.add_argument(
        "--noise",
        type=float,
        default=0.0,
        help="standard deviation of the noise in 8-bit levels",
    )
    parser.add_argument("--alpha", type=float, default=1.0)
    parser.add_argument("--color-match", type=float, help="default: that of the model")
    main(parser.parse_args())
