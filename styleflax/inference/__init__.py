"""Stylizing images with trained weights."""

from typing import TYPE_CHECKING

from styleflax.lazy import lazy_names

if TYPE_CHECKING:
    from styleflax.inference.contents import Stylized
    from styleflax.inference.controls import (
        ControlArguments,
        Plan,
        make_plan,
    )
    from styleflax.inference.stylizer import Stylizer
    from styleflax.inference.video.stylizer import schedule_weights

__all__ = [
    "ControlArguments",
    "Plan",
    "Stylized",
    "Stylizer",
    "make_plan",
    "schedule_weights",
]

__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "ControlArguments": "controls",
        "Plan": "controls",
        "Stylized": "contents",
        "Stylizer": "stylizer",
        "make_plan": "controls",
        "schedule_weights": "video.stylizer",
    },
)
