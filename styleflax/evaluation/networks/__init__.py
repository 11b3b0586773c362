"""Networks for measuring images."""

from typing import TYPE_CHECKING

from styleflax.lazy import lazy_names

if TYPE_CHECKING:
    from styleflax.evaluation.networks.fid import (
        art_fid,
        frechet_distance,
        make_art_inception_features,
        make_inception_features,
    )
    from styleflax.evaluation.networks.inception_file import load_inception

__all__ = [
    "art_fid",
    "frechet_distance",
    "load_inception",
    "make_art_inception_features",
    "make_inception_features",
]

__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "art_fid": "fid",
        "frechet_distance": "fid",
        "load_inception": "inception_file",
        "make_art_inception_features": "fid",
        "make_inception_features": "fid",
    },
)
