"""Style transfer by optimization of pixels (Gatys, Ecker and Bethge 2016)."""

from typing import TYPE_CHECKING

from styleflax.lazy import lazy_names

if TYPE_CHECKING:
    from styleflax.inference.gatys.optimize import Optimized, Regions, make_gatys
    from styleflax.inference.gatys.pictures import (
        Result,
        RunOptions,
        check_plot,
        optimize_picture,
        plot_losses,
    )
    from styleflax.inference.gatys.presets import PRESETS, Settings

__all__ = [
    "PRESETS",
    "Optimized",
    "Regions",
    "Result",
    "RunOptions",
    "Settings",
    "check_plot",
    "make_gatys",
    "optimize_picture",
    "plot_losses",
]

__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "PRESETS": "presets",
        "Optimized": "optimize",
        "Regions": "optimize",
        "Result": "pictures",
        "Settings": "presets",
        "RunOptions": "pictures",
        "check_plot": "pictures",
        "make_gatys": "optimize",
        "optimize_picture": "pictures",
        "plot_losses": "pictures",
    },
)
