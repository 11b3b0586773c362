"""A run's configuration: typed fields with units.

Files in `configs/` return a `Config`; the command line sets any field of it.
"""

from styleflax.config.parts import (
    Arithmetic,
    Config,
    Data,
    Encoder,
    Optimizer,
    Phase,
    Run,
    Schedule,
)
from styleflax.config.text import flatten, from_json, to_json

__all__ = [
    "Arithmetic",
    "Config",
    "Data",
    "Encoder",
    "Optimizer",
    "Phase",
    "Run",
    "Schedule",
    "flatten",
    "from_json",
    "to_json",
]
