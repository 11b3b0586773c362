"""Flags of losses that the parser refuses: new ones, and names like `gram@relu1_1`."""

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
    """The flags of losses that the parser would refuse, and all other arguments.

    It knows the fields alone, and of those no name with an `@` or a dot.

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
        is_field = f"phases[{phase}].losses.{name}" in fields
        if (is_field and name.isidentifier()) or not is_phase:
            rest.append(argument)
            continue
        try:
            new.append(LossFlag(phase, name, float(match["weight"])))
        except ValueError as error:
            raise ValueError(f"{argument}: the weight must be a number") from error
    return new, rest


def add_losses(config: Config, flags: Sequence[LossFlag]) -> None:
    """Writes the weights into the configuration's phases, over those that they have."""
    for flag in flags:
        config.phases[flag.phase].losses[flag.name] = flag.weight
