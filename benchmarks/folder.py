"""A folder of photographs in one style: the style encoded once, or for each of them.

    python benchmarks/folder.py                         # 20 photographs of 512 px

Both ways are the same stylizer with the same programs, in turn for every photograph,
in one process. The ratio is the time of encoding each time over that of once, whose
one encoding is counted. Bar: 1.4.
"""

import argparse
import time

import numpy as np
from PIL import Image
from rich.console import Console
from rich.table import Table

from styleflax.art import FAMILIES, paint
from styleflax.images.listing import held_out_photo
from styleflax.inference.stylizer import Stylizer


def photographs(number: int, size_px: int) -> list[np.ndarray]:
    """Square cuts of a real photograph, as uint8."""
    photo = Image.open(held_out_photo()).convert("RGB")
    side = min(photo.size) // 2
    rng = np.random.default_rng(0)
    cuts = []
    for _ in range(number):
        left, top = (int(rng.integers(0, extent - side)) for extent in photo.size)
        cut = photo.crop((left, top, left + side, top + side))
        cuts.append(np.asarray(cut.resize((size_px, size_px))))
    return cuts


def measure(
    weights: str, number: int, size_px: int, style_px: int
) -> tuple[float, float]:
    """Seconds of all photographs: with one encoding, and with one for each."""
    stylizer = Stylizer.load(weights)
    photos, painting = photographs(number, size_px), paint(FAMILIES[0], 1, style_px)
    stylizer(photos[0], stylizer.prepare_style(painting))  # compiles
    started = time.perf_counter()
    prepared = stylizer.prepare_style(painting)
    for leaf in prepared.values():  # type: ignore[union-attr]
        np.asarray(leaf)
    once, each = time.perf_counter() - started, 0.0
    for photo in photos:
        started = time.perf_counter()
        stylizer(photo, prepared)
        between = time.perf_counter()
        stylizer(photo, painting)
        once += between - started
        each += time.perf_counter() - between
    return once, each


def main(models: list[str], number: int, size_px: int, style_px: int) -> None:
    """Prints a line for every model."""
    table = Table("model", "encoded once", "for each photo", "ratio (bar 1.4)")
    table.title = f"s a photo of {size_px} px; {number} photos, style {style_px} px"
    for weights in models:
        once, each = measure(weights, number, size_px, style_px)
        values = f"{once / number:.2f}", f"{each / number:.2f}", f"{each / once:.2f}"
        table.add_row(weights, *values)
    Console().print(table)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--weights", nargs="+", default=["adain", "sanet"])
    parser.add_argument("--photos", type=int, default=20)
    parser.add_argument(
        "--size", type=int, default=512, help="side of the photos in px"
    )
    parser.add_argument("--style-size", type=int, default=512)
    options = parser.parse_args()
    main(options.weights, options.photos, options.size, options.style_size)
