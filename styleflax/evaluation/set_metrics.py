"""FID and ArtFID, metrics that are defined for whole sets of images."""

import math
import os
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Array

from styleflax.evaluation.inputs import Input, Pair
from styleflax.evaluation.networks.fid import (
    Features,
    Moments,
    add_features,
    art_fid,
    fid,
    make_art_inception_features,
    make_inception_features,
)
from styleflax.evaluation.rows import PAIR, Row
from styleflax.evaluation.systems import load_output_u8
from styleflax.images.files import to_float

Pictures = Iterable[Array | np.ndarray]
ScoreSet = Callable[[Pictures, float], dict[str, float]]


def make_score_set(
    style_pictures: Pictures,
    inception: str | os.PathLike[str] | None = None,
    art_inception: str | os.PathLike[str] | None = None,
) -> ScoreSet:
    """Returns `score(stylized, lpips_mean)`, which gives metrics of a set by name.

    They are "fid" if `inception` is given, and "art_fid" if `art_inception` is given.
    `stylized` are images, and `lpips_mean` is their mean LPIPS with AlexNet to their
    contents; without it (NaN) there is no "art_fid".

    Args:
        style_pictures: RGB in [0, 1], (h, w, 3) or (b, h, w, 3), each repeated as often
            as the set has it as a style; once if that is equal for all. They are read
            once, by this call.
        inception: File of the FID network; see `fid.make_inception_features`.
        art_inception: File of the ArtFID network; see
            `fid.make_art_inception_features`.

    Raises:
        FileNotFoundError: If a file is missing.
        ValueError: If a file contains another network, or there are fewer than two
            images.
    """
    networks: dict[str, Features] = {}
    if inception is not None:
        networks["fid"] = make_inception_features(inception)
    if art_inception is not None:
        networks["art_fid"] = make_art_inception_features(art_inception)
    return score_with(networks, style_pictures)


def score_with(networks: dict[str, Features], style_pictures: Pictures) -> ScoreSet:
    """Returns the scorer of `make_score_set` for loaded networks.

    Args:
        networks: Feature functions for "fid", "art_fid", both or none.
        style_pictures: Paintings; see `make_score_set`.
    """
    styles = _collect(networks, style_pictures)

    def score(stylized: Pictures, lpips_mean: float) -> dict[str, float]:
        available = dict(networks)
        if math.isnan(lpips_mean):
            available.pop("art_fid", None)
        found = _collect(available, stylized)
        distances = {name: fid(found[name], styles[name]) for name in found}
        if "art_fid" in distances:
            distances["art_fid"] = art_fid(distances["art_fid"], lpips_mean)
        return distances

    return score


def _collect(networks: dict[str, Features], pictures: Pictures) -> dict[str, Moments]:
    """Returns the moments of every network's features, reading each image once."""
    found: dict[str, list[np.ndarray]] = {name: [] for name in networks}
    for batch in pictures if networks else ():
        for name, features in networks.items():
            found[name].append(np.asarray(features(batch)))
    if not all(found.values()):
        raise ValueError("FID must have at least 2 images, got 0")
    # Eight kilobytes per image: collecting them is faster than adding one at a time.
    return {
        name: add_features(None, np.concatenate(rows)) for name, rows in found.items()
    }


SetValues = dict[tuple[str, float | None], dict[str, float]]
"""Metrics of whole sets by (system, alpha)."""

_LPIPS = "lpips_alexnet"


def make_set_measure(
    out: Path,
    pairs: Sequence[Pair],
    size_px: int,
    inception: Path | None = None,
    art_inception: Path | None = None,
) -> Callable[[Sequence[Row]], SetValues]:
    """Returns `measure(rows)`, which gives "fid" and "art_fid" by (system, alpha).

    Args:
        out: Folder to which the paths in rows are relative.
        pairs: Pairs for which every system has an image.
        size_px: Side of all images.
        inception: File of the FID network; None for no "fid".
        art_inception: File of the ArtFID network; None for no "art_fid".

    Raises:
        FileNotFoundError: If a file is missing.
        ValueError: If a file contains another network, or there is a single pair.
    """
    if inception is None and art_inception is None:
        return lambda _: {}
    if len(pairs) < 2:
        raise ValueError("FID and ArtFID must have at least 2 pairs, got 1")
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
    """Returns each style as often as pairs use it, or once if that is equal for all."""
    styles = [pair.style for pair in pairs]
    counts = Counter(style.name for style in styles)
    if len(set(counts.values())) > 1 or len(counts) < 2:
        return styles
    return list({style.name: style for style in styles}.values())


def _mean_lpips(rows: Sequence[Row]) -> float:
    return float(np.mean([row.values.get(_LPIPS, math.nan) for row in rows]))
