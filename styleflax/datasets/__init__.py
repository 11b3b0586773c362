"""Training sets: sources of pictures, their builders and pipelines."""

from typing import TYPE_CHECKING

from styleflax.lazy import lazy_names

if TYPE_CHECKING:
    from styleflax.datasets.labelled import LabelledSource, open_labelled
    from styleflax.datasets.manifest import make_manifest
    from styleflax.datasets.pipeline import make_pair_stream
    from styleflax.datasets.sources import PictureSource, open_source
    from styleflax.datasets.split import split_sources

__all__ = [
    "LabelledSource",
    "PictureSource",
    "make_manifest",
    "make_pair_stream",
    "open_labelled",
    "open_source",
    "split_sources",
]

__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "LabelledSource": "labelled",
        "PictureSource": "sources",
        "make_manifest": "manifest",
        "make_pair_stream": "pipeline",
        "open_labelled": "labelled",
        "open_source": "sources",
        "split_sources": "split",
    },
)
