"""Stylized data sets: every image of a source in a randomly drawn style."""

from typing import TYPE_CHECKING

from styleflax.lazy import lazy_names

if TYPE_CHECKING:
    from styleflax.inference.datasets.job import Settings
    from styleflax.inference.datasets.stylize import make_dataset, make_dataset_on_ray

__all__ = ["Settings", "make_dataset", "make_dataset_on_ray"]

__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "Settings": "job",
        "make_dataset": "stylize",
        "make_dataset_on_ray": "stylize",
    },
)
