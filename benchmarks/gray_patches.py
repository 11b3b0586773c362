"""Gray patches in large flat areas: how many of 96 drawn skies a model makes jump.

    python benchmarks/gray_patches.py --weights adain --weights sanet --gatys 12

The pairs are drawn by `styleflax.evaluation.inputs`. `--gatys N` also optimizes
the first N pairs of 256 px (default preset, 50 iterations). `--content FOLDER --style
FOLDER` does the same on photographs that have a flat area.
"""

import argparse
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np

from styleflax.evaluation.inputs import (
    NUM_PAIRS,
    DrawnPair,
    choose_pairs,
    draw_pairs,
    load_inputs,
)
from styleflax.evaluation.metrics.blobs import (
    GRAY_PATCH_LIMIT,
    GrayPatch,
    find_flat_areas,
    measure_jump,
)
from styleflax.images.files import save_image
from styleflax.inference.contents import StylePixels
from styleflax.inference.gatys import PRESETS, make_gatys
from styleflax.inference.gatys.pictures import load_gatys_encoder
from styleflax.inference.stylizer import Stylizer

GATYS_PX = 256
GATYS_ITERATIONS = 50
PHOTO_PX = 512

Make = Callable[[DrawnPair], np.ndarray]


def model_system(weights: str) -> Make:
    """Returns a maker of a model's pictures at strength 1."""
    stylizer = Stylizer.load(weights, tile_px=0)
    return lambda pair: stylizer(pair.content, StylePixels(pair.style)).array


def gatys_system() -> Make:
    """Returns a maker of optimized pictures."""
    settings = PRESETS["default"]._replace(iterations=(GATYS_ITERATIONS,))
    layers = settings.objective.layers()
    gatys = make_gatys(load_gatys_encoder("sanet", layers), settings)
    return lambda pair: gatys(pair.content, [pair.style]).image


def photo_pairs(contents: Path, styles: Path) -> list[DrawnPair]:
    """Returns pairs of photographs that have a flat area with every painting."""
    loaded = [load_inputs(folder, PHOTO_PX) for folder in (contents, styles)]
    flat = [x for x in loaded[0] if find_flat_areas(x.picture)]
    return [
        DrawnPair(f"{flat[i].name}, {x.name}", flat[i].picture, x.picture)
        for i, j in choose_pairs(len(flat), len(loaded[1]), None)
        for x in [loaded[1][j]]
    ]


def score(name: str, make: Make, pairs: Iterable[DrawnPair], out: Path | None) -> None:
    """Prints each jump of a system, and the share that is above the limit."""
    found: list[GrayPatch] = []
    for pair in pairs:
        picture = make(pair)
        if out is not None:
            path = out / name / f"{pair.name}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            save_image(picture, path)
        found.append(measure_jump(picture, find_flat_areas(pair.content)))
        print(f"{name:12s} {found[-1].jump:6.1f}  {pair.name}", flush=True)
    jumps = [x.jump for x in found]
    print(
        f"{name}: {sum(x.found for x in found)} of {len(found)} above "
        f"{GRAY_PATCH_LIMIT:g}; jumps at the quantiles 0.1, 0.5, 0.9: "
        f"{np.round(np.quantile(jumps, [0.1, 0.5, 0.9]), 1)}",
        flush=True,
    )


def main() -> None:
    """Scores contents, models and optimized pictures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--weights", action="append", default=[])
    parser.add_argument("--gatys", type=int, default=0)
    parser.add_argument("--num-pairs", type=int, default=NUM_PAIRS)
    parser.add_argument("--content", type=Path)
    parser.add_argument("--style", type=Path)
    parser.add_argument("--out", type=Path)
    args = parser.parse_args()
    if args.content is not None:
        pairs = photo_pairs(args.content, args.style)
    else:
        pairs = list(draw_pairs(args.num_pairs))
    score("content", lambda pair: pair.content, pairs, None)
    for weights in args.weights:
        score(weights, model_system(weights), pairs, args.out)
    if args.gatys:
        small = [pair for pair in pairs if pair.content.shape[0] == GATYS_PX]
        score("gatys", gatys_system(), small[: args.gatys], args.out)


if __name__ == "__main__":
    main()
