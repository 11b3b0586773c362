"""Flags that give a phase a loss which its configuration file has not got."""

import re
from collections.abc import Sequence
from typing import NamedTuple

from styleflax.config import Config

_LOSS = re.compile(
    r"--?config\.phases\[(?P<phase>\d+)\]\.losses\.(?P<name>[^=]+)=(?P<weight>.*)"
)


class LossFlag(NamedTuple):
    """`--config.phases[PHASE].losses.NAME=WEIGHT`."""

    phase: int
    name: str
    weight: float


def split_new_losses(
    arguments: Sequence[str], fields: Sequence[str]
) -> tuple[list[LossFlag], list[str]]:
    """The flags of losses that are not among the fields yet, and all other arguments.

    Raises:
        ValueError: If a weight is not a number.
    """
    new, rest = [], []
    for argument in arguments:
        match = _LOSS.fullmatch(argument)
        if not match:
            rest.append(argument)
            continue
        phase, name = int(match["phase"]), match["name"]
        is_phase = any(field.startswith(f"phases[{phase}].") for field in fields)
        if f"phases[{phase}].losses.{name}" in fields or not is_phase:
            rest.append(argument)
            continue
        try:
            new.append(LossFlag(phase, name, float(match["weight"])))
        except ValueError as error:
            raise ValueError(f"{argument}: the weight must be a number") from error
    return new, rest


def add_losses(config: Config, flags: Sequence[LossFlag]) -> None:
    """Writes the weights into the configuration's phases.

    Raises:
        ValueError: If the method has no such loss; names those it has.
    """
    if not flags:
        return
    # Late, because it brings JAX.
    from styleflax.training.build import build_method  # noqa: PLC0415

    for flag in flags:
        config.phases[flag.phase].losses[flag.name] = flag.weight
    for phase in sorted({flag.phase for flag in flags}):
        build_method(config, config.phases[phase])
