"""FID and ArtFID of every system, from the pictures that rows name."""

import math
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np

from styleflax.evaluation.inputs import Input, Pair
from styleflax.evaluation.outputs import load_output_u8
from styleflax.evaluation.rows import PAIR, Row
from styleflax.evaluation.set_values import make_score_set
from styleflax.images.pixels import to_float

SetValues = dict[tuple[str, float | None], dict[str, float]]
"""Figures of a whole set by (system, alpha)."""

_LPIPS = "lpips_alexnet"


def make_set_measure(
    out: Path,
    pairs: Sequence[Pair],
    size_px: int,
    inception: Path | None = None,
    art_inception: Path | None = None,
) -> Callable[[Sequence[Row]], SetValues]:
    """Returns `measure(rows)`: "fid" and "art_fid" where their networks are given.

    Args:
        out: Folder that the rows' pictures are named from.
        pairs: Of which every system has its picture.
        size_px: Side of all pictures.
        inception: The FID network; see `set_values.make_score_set`.
        art_inception: ArtFID's.

    Raises:
        FileNotFoundError: If a file is missing.
        ValueError: If a network is another one, or there is a single pair.
    """
    if inception is None and art_inception is None:
        return lambda _: {}
    if len(pairs) < 2:
        raise ValueError("FID and ArtFID need two pairs or more, and there is one")
    styles = (style.picture[None] for style in _weighed_styles(pairs))
    score = make_score_set(styles, inception, art_inception)

    def pictures(rows: Sequence[Row]) -> Iterator[np.ndarray]:
        for row in rows:
            yield to_float(load_output_u8(out / row.picture, size_px))[None]

    def measure(rows: Sequence[Row]) -> SetValues:
        by_system: dict[tuple[str, float | None], list[Row]] = defaultdict(list)
        for row in rows:
            if row.kind == PAIR:
                by_system[row.system, row.alpha].append(row)
        return {key: score(pictures(x), _mean_lpips(x)) for key, x in by_system.items()}

    return measure


def _weighed_styles(pairs: Sequence[Pair]) -> list[Input]:
    """Returns each style as often as pairs have it, or once where that is the same."""
    styles = [pair.style for pair in pairs]
    counts = Counter(style.name for style in styles)
    if len(set(counts.values())) > 1 or len(counts) < 2:
        return styles
    return list({style.name: style for style in styles}.values())


def _mean_lpips(rows: Sequence[Row]) -> float:
    return float(np.mean([row.values.get(_LPIPS, math.nan) for row in rows]))
