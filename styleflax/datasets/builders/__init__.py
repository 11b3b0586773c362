"""TFDS builders that write array_record; `styleflax.datasets.sources` opens them."""

from typing import TYPE_CHECKING

from styleflax.lazy import lazy_names

if TYPE_CHECKING:
    from styleflax.datasets.builders.folders import (
        CocoImages,
        ImageFolder,
        ProceduralArt,
        SamplePhotos,
        Wikiart,
    )
    from styleflax.datasets.builders.preparation import (
        prepared_folder,
    )

__all__ = [
    "CocoImages",
    "ImageFolder",
    "ProceduralArt",
    "SamplePhotos",
    "Wikiart",
    "prepared_folder",
]

__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "CocoImages": "folders",
        "ImageFolder": "folders",
        "ProceduralArt": "folders",
        "SamplePhotos": "folders",
        "Wikiart": "folders",
        "prepared_folder": "preparation",
    },
)
