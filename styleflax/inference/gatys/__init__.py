"""Pictures by optimisation of their pixels (Gatys, Ecker and Bethge 2016)."""

from styleflax.inference.gatys.optimize import Optimised, Regions, make_gatys
from styleflax.inference.gatys.pictures import Result, Watch, optimise_picture
from styleflax.inference.gatys.presets import PRESETS, Settings

__all__ = [
    "PRESETS",
    "Optimised",
    "Regions",
    "Result",
    "Settings",
    "Watch",
    "make_gatys",
    "optimise_picture",
]
