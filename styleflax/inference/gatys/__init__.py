"""Pictures by optimization of their pixels (Gatys, Ecker and Bethge 2016)."""

from styleflax.inference.gatys.optimize import Optimized, Regions, make_gatys
from styleflax.inference.gatys.pictures import Result, Watch, optimize_picture
from styleflax.inference.gatys.presets import PRESETS, Settings

__all__ = [
    "PRESETS",
    "Optimized",
    "Regions",
    "Result",
    "Settings",
    "Watch",
    "make_gatys",
    "optimize_picture",
]
