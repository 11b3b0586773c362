"""How different the procedural families look to a VGG-16, beside a folder of paintings.

The distance of two pictures is that of their Gram matrices (Gatys et al. 2016),
divided by the geometric mean of the matrices' norms and averaged over four layers.

    python benchmarks/procedural_variety.py --style FOLDER_OF_PAINTINGS
"""

import argparse
import itertools
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from PIL import Image, ImageOps

from styleflax.art import FAMILIES, paint
from styleflax.models.vgg import VGG
from styleflax.weights.packaged import load_packaged_vgg16

LAYERS = ("relu1_2", "relu2_2", "relu3_3", "relu4_3")


def crop_painting(path, size_px):
    """Returns the middle square of a picture in 8 bits, resized."""
    with Image.open(path) as picture:
        square = ImageOps.fit(picture.convert("RGB"), (size_px, size_px))
    return np.asarray(square)


def make_gram_fn():
    """Returns a function from a picture in 8 bits to its Gram matrices by layer."""
    params = load_packaged_vgg16()
    encoder = VGG.of_params(params, LAYERS)

    @jax.jit
    def grams_of(picture_u8):
        image = picture_u8[None].astype(jnp.float32) / 255
        features = encoder.apply({"params": params}, image)
        maps = (features[layer][0] for layer in LAYERS)
        return [jnp.einsum("hwc,hwd->cd", f, f) / f[..., 0].size for f in maps]

    return lambda picture_u8: [np.asarray(g) for g in grams_of(picture_u8)]


def distance_of(first, second):
    """Returns the distance of two pictures' Gram matrices, averaged over layers."""
    norm = np.linalg.norm
    pairs = zip(first, second, strict=True)
    return np.mean([norm(a - b) / np.sqrt(norm(a) * norm(b)) for a, b in pairs])


def print_row(name, distances):
    """Prints one line of the table: number of pairs, 10 % quantile, median, 90 %."""
    low, median, high = np.quantile(distances, [0.1, 0.5, 0.9])
    print(f"{name:34s} {len(distances):6d} {low:8.3f} {median:8.3f} {high:8.3f}")


def main():
    """Prints the distances between families, within families and between paintings."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--style", type=Path, required=True, help="folder of paintings")
    parser.add_argument("--per-family", type=int, default=5)
    parser.add_argument("--size-px", type=int, default=256)
    args = parser.parse_args()
    suffixes = {".jpg", ".jpeg", ".png", ".webp"}
    paths = sorted(p for p in args.style.rglob("*") if p.suffix.lower() in suffixes)
    count = len(FAMILIES) * args.per_family
    if len(paths) < 2:
        parser.error(f"--style {args.style} holds {len(paths)} pictures; 2 are needed")
    chosen = np.random.default_rng(0).permutation(len(paths))[:count]
    grams_of = make_gram_fn()
    real = [grams_of(crop_painting(paths[k], args.size_px)) for k in chosen]
    families = list(itertools.product(FAMILIES, range(args.per_family)))
    own = {key: grams_of(paint(*key, size_px=args.size_px)) for key in families}

    pairs = list(itertools.combinations(families, 2))
    by_pair = {pair: distance_of(own[pair[0]], own[pair[1]]) for pair in pairs}
    print(f"{'pairs':34s} {'number':>6s} {'10 %':>8s} {'median':>8s} {'90 %':>8s}")
    print_row(
        "paintings", [distance_of(a, b) for a, b in itertools.combinations(real, 2)]
    )
    print_row("procedural, all", list(by_pair.values()))
    across = [d for (a, b), d in by_pair.items() if a[0] != b[0]]
    print_row("procedural, between families", across)
    for name in FAMILIES:
        within = [d for (a, b), d in by_pair.items() if a[0] == b[0] == name]
        print_row(f"  within {name}", within)


if __name__ == "__main__":
    main()
