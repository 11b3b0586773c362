"""Optimisation of pixels as one of the systems of an evaluation."""

import time
from collections.abc import Sequence

from styleflax.evaluation.inputs import Input
from styleflax.evaluation.systems import Made, System
from styleflax.images.pixels import to_float, to_u8
from styleflax.inference.gatys import PRESETS, Settings, make_gatys
from styleflax.inference.gatys.encoder import load_gatys_encoder
from styleflax.weights.packaged_models import find_model
from styleflax.weights.store import load_model, model_digest

ENCODER = "sanet"


def make_gatys_system(
    iterations: int, settings: Settings = PRESETS["default"], encoder: str = ENCODER
) -> System:
    """Returns the system `gatys-ITERATIONS`; its value is `seconds` for a picture.

    Args:
        iterations: For each picture; in the seconds of the first is its compiling.
        settings: The rest; their own iterations do not count.
        encoder: As for `load_encoder`.

    Raises:
        ValueError: If there are no iterations.
    """
    if iterations < 1:
        raise ValueError(f"gatys must be 1 iteration or more, got {iterations}")
    settings = settings._replace(iterations=(iterations,))
    params = load_gatys_encoder(encoder, settings.objective.layers())
    gatys = make_gatys(params, settings)

    def make(content: Input, style: Input, _: float | None) -> Made:
        start = time.perf_counter()
        made = gatys(content.picture, [style.picture])
        values = {"seconds": time.perf_counter() - start}
        return Made(to_float(to_u8(made.image)), values)

    return System(f"gatys-{iterations}", (None,), make)


def describe_gatys(iterations: Sequence[int]) -> dict[str, str]:
    """What tells one of these systems from another, by name; for `rows.open_folder`."""
    file = load_model(find_model(ENCODER))
    encoder = model_digest(file._replace(players={}, state={}, provenance={}))
    return {f"gatys-{n}": f"{PRESETS['default']} {encoder}" for n in iterations}
