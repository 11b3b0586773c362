"""Style transfer methods, each a record of pure functions."""

from styleflax.methods.model import (
    COLOR_MATCHING,
    METHODS,
    NEW_STYLE,
    Model,
    build,
    build_model,
    check_controls,
    controls_of,
)

__all__ = [
    "COLOR_MATCHING",
    "METHODS",
    "NEW_STYLE",
    "Model",
    "build",
    "build_model",
    "check_controls",
    "controls_of",
]
