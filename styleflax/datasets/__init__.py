"""Training sets: sources of images, their builders and pipelines."""

from typing import TYPE_CHECKING

from styleflax.lazy import lazy_names

if TYPE_CHECKING:
    from styleflax.datasets.labeled import LabeledSource, open_labeled
    from styleflax.datasets.manifest import make_manifest, split_sources
    from styleflax.datasets.pipeline import PictureSource, make_pair_stream
    from styleflax.datasets.sources import open_source

__all__ = [
    "LabeledSource",
    "PictureSource",
    "make_manifest",
    "make_pair_stream",
    "open_labeled",
    "open_source",
    "split_sources",
]

__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "LabeledSource": "labeled",
        "PictureSource": "pipeline",
        "make_manifest": "manifest",
        "make_pair_stream": "pipeline",
        "open_labeled": "labeled",
        "open_source": "sources",
        "split_sources": "manifest",
    },
)
