"""Methods from a run's configuration."""

from styleflax import methods
from styleflax.config import Config, Phase
from styleflax.methods.base import Method


def build_method(config: Config, phase: Phase) -> Method:
    """The configured method, with the losses of one phase."""
    return methods.build(
        config.method,
        losses=phase.losses,
        arithmetic=config.arithmetic,
        dtype=config.compute_dtype,
    )
