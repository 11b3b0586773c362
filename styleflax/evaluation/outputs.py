"""Pictures that another program made, found by the names of their inputs."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
from jaxtyping import UInt8
from PIL import Image as PillowImage
from PIL.Image import Resampling

from styleflax.images.files import load_image_u8
from styleflax.images.listing import list_images

PATTERNS = ("{content}__{style}", "{content}-{style}", "{content}_stylized_{style}")
"""Names of the picture of a pair, without suffix. The last one is what test.py of
naoto0804/pytorch-AdaIN writes."""

_MAX_NAMES = 3
_MAX_STRETCH = 1.02

PairNames = tuple[str, str]


def parse_outputs(text: str) -> tuple[str, Path]:
    """Returns the name and the folder of "NAME:DIR".

    Raises:
        ValueError: If it is not of that form, or the name cannot be a folder's.
    """
    name, colon, folder = text.partition(":")
    if not (colon and name and folder):
        raise ValueError(f"outputs must be given as NAME:DIR, got {text!r}")
    if name.startswith(".") or set(name) & set("/\\"):
        raise ValueError(f"outputs cannot be called {name!r}: no dot first, no slash")
    return name, Path(folder)


def find_outputs(
    name: str, folder: Path, pairs: Sequence[PairNames]
) -> dict[PairNames, Path]:
    """Returns the picture of every pair of names (content, style).

    Args:
        name: What to call the outputs in an error.
        folder: Searched recursively; what belongs to no pair is left alone.
        pairs: Without suffixes.

    Raises:
        FileNotFoundError: If there is no such folder.
        ValueError: If pairs have no file or several, or a file serves several
            pairs.
    """
    by_stem: dict[str, list[Path]] = defaultdict(list)
    for path in list_images(folder):
        by_stem[path.stem].append(path)
    found: dict[PairNames, list[Path]] = {}
    for content, style in pairs:
        stems = dict.fromkeys(p.format(content=content, style=style) for p in PATTERNS)
        found[content, style] = [p for stem in stems for p in by_stem.get(stem, ())]
    missing = [f"{c}__{s}" for (c, s), paths in found.items() if not paths]
    if missing:
        raise ValueError(
            f"outputs {name}: {folder} lacks {len(missing)} of {len(pairs)} pictures, "
            f"such as {_some(missing)}; names that count are "
            f"{', '.join(p.format(content='CONTENT', style='STYLE') for p in PATTERNS)}"
        )
    several = [_some(map(str, paths)) for paths in found.values() if len(paths) > 1]
    if several:
        raise ValueError(
            f"outputs {name}: {len(several)} pairs have several pictures, such as "
            f"{several[0]}"
        )
    owners: dict[Path, list[PairNames]] = defaultdict(list)
    for pair, (path,) in found.items():
        owners[path].append(pair)
    for path, of_pairs in owners.items():
        if len(of_pairs) > 1:
            readings = " and ".join(f"({c}, {s})" for c, s in of_pairs)
            raise ValueError(
                f"outputs {name}: {path} may be that of {readings}; "
                "call it CONTENT__STYLE"
            )
    return {pair: paths[0] for pair, paths in found.items()}


def _some(names: Iterable[str]) -> str:
    listed = list(names)
    more = " and others" if len(listed) > _MAX_NAMES else ""
    return ", ".join(listed[:_MAX_NAMES]) + more


def load_output_u8(path: Path, size_px: int) -> UInt8[np.ndarray, "h w 3"]:
    """Returns an output at the size of the evaluation, resized by Lanczos if needed.

    Raises:
        ValueError: If the file is damaged, or its picture is no square: then it was
            made from other inputs than the squares.
    """
    image_u8 = load_image_u8(path)
    height, width = image_u8.shape[:2]
    if max(height, width) > _MAX_STRETCH * min(height, width):
        raise ValueError(
            f"{path} has {width}x{height} px; outputs must be square, made from the "
            "center squares of the inputs"
        )
    if (height, width) == (size_px, size_px):
        return image_u8
    picture = PillowImage.fromarray(image_u8)
    return np.asarray(picture.resize((size_px, size_px), Resampling.LANCZOS))
