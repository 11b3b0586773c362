"""FID and ArtFID, the figures that only a whole set of pictures has."""

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
    """Returns `score(stylized, lpips_mean)`, a set's figures by name.

    It gives "fid" where `inception` is given and "art_fid" where `art_inception` is,
    so neither name ever stands for another network. `stylized` are pictures and
    `lpips_mean` is their mean LPIPS with AlexNet to their contents; NaN where it is
    not known, which leaves "art_fid" out.

    Args:
        style_pictures: RGB in [0, 1], (h, w, 3) or (b, h, w, 3), each as often as it is
            a style of the set, or all once if they are so equally often. Looked at
            once, here.
        inception: The FID network; see `fid.make_inception_features`.
        art_inception: ArtFID's; see `fid.make_art_inception_features`.

    Raises:
        FileNotFoundError: A file is missing.
        ValueError: A file holds another network, or there are fewer than two pictures.
    """
    networks: dict[str, Features] = {}
    if inception is not None:
        networks["fid"] = make_inception_features(inception)
    if art_inception is not None:
        networks["art_fid"] = make_art_inception_features(art_inception)
    return score_with(networks, style_pictures)


def score_with(networks: dict[str, Features], style_pictures: Pictures) -> ScoreSet:
    """Returns what `make_score_set` does, of networks that are already there.

    Args:
        networks: The features for "fid", "art_fid", both or none.
        style_pictures: As there.
    """
    styles = _collect(networks, style_pictures)

    def score(stylized: Pictures, lpips_mean: float) -> dict[str, float]:
        asked = dict(networks)
        if math.isnan(lpips_mean):
            asked.pop("art_fid", None)
        found = _collect(asked, stylized)
        distances = {name: fid(found[name], styles[name]) for name in found}
        if "art_fid" in distances:
            distances["art_fid"] = art_fid(distances["art_fid"], lpips_mean)
        return distances

    return score


def _collect(networks: dict[str, Features], pictures: Pictures) -> dict[str, Moments]:
    """The moments of every network's features, with each image read once."""
    found: dict[str, list[np.ndarray]] = {name: [] for name in networks}
    for batch in pictures if networks else ():
        for name, features in networks.items():
            found[name].append(np.asarray(features(batch)))
    if not all(found.values()):
        raise ValueError("FID must have at least 2 images, got 0")
    # Eight kilobytes a picture: cheaper to keep than to add up one by one.
    return {
        name: add_features(None, np.concatenate(rows)) for name, rows in found.items()
    }


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
        pairs: The pairs for which every system has a picture.
        size_px: Side of all pictures.
        inception: The FID network; see `make_score_set`.
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
