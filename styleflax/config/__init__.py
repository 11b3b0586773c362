"""A run's configuration: typed fields with units, and one record of options a method.

Files in `configs/` return a `Config`; the command line sets any field of it.
"""

from styleflax.config.losses import Losses, StyleTerm, Term, read_term
from styleflax.config.options import (
    OPTIONS,
    AdaINOptions,
    AttentionPath,
    CINOptions,
    CINStyleOptions,
    EncoderKind,
    FeedForwardOptions,
    JohnsonOptions,
    LiteOptions,
    Norm,
    Options,
    Output,
    Padding,
    Pooling,
    SANetOptions,
    Upsampling,
    read_options,
)
from styleflax.config.overrides import flatten, from_json, override, to_json, to_tree
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

__all__ = [
    "OPTIONS",
    "AdaINOptions",
    "Arithmetic",
    "AttentionPath",
    "CINOptions",
    "CINStyleOptions",
    "Config",
    "Data",
    "Encoder",
    "EncoderKind",
    "FeedForwardOptions",
    "JohnsonOptions",
    "LiteOptions",
    "Losses",
    "Norm",
    "Optimizer",
    "Options",
    "Output",
    "Padding",
    "Phase",
    "Pooling",
    "Run",
    "SANetOptions",
    "Schedule",
    "StyleTerm",
    "Term",
    "Upsampling",
    "flatten",
    "from_json",
    "override",
    "read_options",
    "read_term",
    "to_json",
    "to_tree",
]
