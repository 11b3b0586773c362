"""How far refinement from a trained model's result gets, beside Gatys from the photo.

    python -m benchmarks.refinement --content PHOTOS --style PAINTINGS
    python -m benchmarks.refinement --content PHOTOS --style PAINTINGS --show 11

The first prints the losses of `gatys` (default preset) for each pair, from the model's
result and from the photo, and their means, and draws the curves (refinement.svg). The
second makes a row of pictures of one pair (refinement.jpg): photo, painting, refine 0,
10, 20 and 50, Gatys 300.
"""

import argparse
from pathlib import Path

import numpy as np

from benchmarks.claims import answers
from styleflax.evaluation.inputs import Pair, choose_pairs, load_inputs
from styleflax.images.files import save_image
from styleflax.inference.contents import StylePixels
from styleflax.inference.gatys import PRESETS, make_gatys
from styleflax.inference.gatys.pictures import load_gatys_encoder
from styleflax.inference.stylizer import Stylizer

REFINED, FROM_PHOTO = 20, 60
SHOWN_REFINED, SHOWN_FROM_PHOTO = (0, 10, 20, 50), 300


def gatys_losses(
    pair: Pair, iterations: int, start: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray]:
    """Returns the picture and the total loss at the start and after each iteration."""
    settings = PRESETS["default"]._replace(iterations=(iterations,))
    params = load_gatys_encoder("sanet", settings.objective.layers())
    gatys = make_gatys(params, settings)
    made = gatys(pair.content.picture, [pair.style.picture], start=start)
    return made.image, made.losses[:, 0]


def show(stylizer: Stylizer, pair: Pair, out: Path) -> None:
    """Writes the row of pictures of one pair."""
    photo, style = pair.content.picture, StylePixels(pair.style.picture)
    made = [stylizer(photo, style, refine=number).array for number in SHOWN_REFINED]
    made.append(gatys_losses(pair, SHOWN_FROM_PHOTO, None)[0])
    row = np.concatenate([photo, pair.style.picture, *made], axis=1)
    save_image(np.clip(row, 0.0, 1.0).astype(np.float32), out / "refinement.jpg")


def measure(stylizer: Stylizer, pair: Pair) -> tuple[np.ndarray, np.ndarray]:
    """Returns the losses from the model's result and from the photo."""
    style = StylePixels(pair.style.picture)
    start = stylizer(pair.content.picture, style).array
    refined = gatys_losses(pair, REFINED, start)[1]
    from_photo = gatys_losses(pair, FROM_PHOTO, None)[1]
    print(
        f"{pair.content.name}, {pair.style.name}: "
        f"refine 0, 10, {REFINED}: {np.round(refined[[0, 10, REFINED]], 3)}; "
        f"from the photo 0, 20, {FROM_PHOTO}: "
        f"{np.round(from_photo[[0, 20, FROM_PHOTO]], 3)}; refine 0 and {REFINED} equal "
        f"{[int((from_photo > refined[n]).sum()) for n in (0, REFINED)]} iterations",
        flush=True,
    )
    return refined, from_photo


def main() -> None:
    """Measures the pairs, prints the means and draws."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--content", type=Path, required=True)
    parser.add_argument("--style", type=Path, required=True)
    parser.add_argument("--out", type=Path, default=Path("refinement"))
    parser.add_argument("--weights", default="adain")
    parser.add_argument("--size", type=int, default=256)
    parser.add_argument("--num-pairs", type=int, default=12)
    parser.add_argument("--show", type=int, help="number of the pair to draw")
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    contents = load_inputs(args.content, args.size)
    styles = load_inputs(args.style, args.size)
    chosen = choose_pairs(len(contents), len(styles), args.num_pairs)
    pairs = [Pair(contents[i], styles[j]) for i, j in chosen]
    stylizer = Stylizer.load(args.weights, tile_px=0)
    if args.show is not None:
        show(stylizer, pairs[args.show], args.out)
        return
    curves = []
    for pair in pairs:
        curves.append(measure(stylizer, pair))
        np.savez(args.out / "losses.npz", *[x for both in curves for x in both])
    refined, from_photo = (np.mean(x, axis=0) for x in zip(*curves, strict=True))
    for name, mean in (("refine", refined), ("from the photo", from_photo)):
        for n in range(0, len(mean), 10):
            print(f"mean, {name} {n}: {mean[n]:.3f}")
    lines = {f"from {args.weights}": refined, "from the photo": from_photo}
    panel = {f"loss, mean of {len(pairs)} pairs": lines}
    answers.draw_curves(args.out / "refinement.svg", panel, "iteration", smooth=0.0)


if __name__ == "__main__":
    main()
