"""The figures that only a whole set of pictures has: FID and ArtFID."""

import math
import os
from collections.abc import Callable, Iterable

import numpy as np
from jaxtyping import Array

from styleflax.evaluation.networks.fid import (
    Features,
    Moments,
    add_features,
    art_fid,
    fid,
    make_art_inception_features,
    make_inception_features,
)

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
