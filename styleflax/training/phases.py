"""The phases of a run, and the method that each trains."""

import inspect
from collections.abc import Iterator, Sequence
from typing import Any

import jax

from styleflax import methods
from styleflax.config import Config, Phase
from styleflax.methods.base import Method, Variables
from styleflax.types import Key


def phase_starts(phases: Sequence[Phase]) -> tuple[int, ...]:
    """First step of every phase, and the end of the last."""
    starts = [0]
    for phase in phases:
        starts.append(starts[-1] + phase.steps)
    return tuple(starts)


def remaining_phases(
    phases: Sequence[Phase], step: int
) -> Iterator[tuple[int, int, int, Phase]]:
    """(index, start, end, phase) of every phase that is not over at `step`."""
    starts = phase_starts(phases)
    for index, phase in enumerate(phases):
        if step < starts[index + 1]:
            yield index, starts[index], starts[index + 1], phase


def build_method(config: Config, phase: Phase) -> Method:
    """The configured method, with the losses of one phase.

    Raises:
        ValueError: If the method lacks one of the options.
    """
    arguments: dict[str, Any] = {
        "losses": phase.losses,
        "arithmetic": config.arithmetic,
        "dtype": config.compute_dtype,
    }
    methods.check_removed(config.method, config.options)
    if config.run.remat:
        arguments["remat"] = True
    make = methods.METHODS.get(config.method)
    parameters = inspect.signature(make).parameters.keys() if make else set()
    if phase.color_match:
        arguments["color_match"] = phase.color_match
        if make and "color_match" not in parameters:
            raise ValueError(
                f"phases' color_match must be 0 for {config.method!r}, whose losses "
                f"judge the picture before the color step, got {phase.color_match}"
            )
    allowed = parameters - arguments.keys() - {"color_match"}
    if make and (unknown := sorted(config.options.keys() - allowed)):
        raise ValueError(
            f"options {unknown} unknown to {config.method!r}; it has {sorted(allowed)}"
        )
    return methods.build(config.method, **arguments, **config.options)


def build_methods(config: Config) -> list[Method]:
    """The configured method as every phase trains it.

    All begin with the variables of all of them: a player that only a later phase
    trains (an adversarial loss's critic) waits until then.

    Raises:
        ValueError: As `build_method`.
    """
    by_phase = [build_method(config, phase) for phase in config.phases]

    def init(key: Key) -> Variables:
        first, *others = by_phase
        variables = first.init(key)
        players = dict(variables.players)
        for method in others:
            shapes = jax.eval_shape(method.init, key).players
            if all(shapes[k].keys() <= players.get(k, {}).keys() for k in shapes):
                continue
            for name, params in method.init(key).players.items():
                players[name] = {**params, **players.get(name, {})}
        return Variables(players, variables.state)

    return [method._replace(init=init) for method in by_phase]


def trained_players(config: Config) -> set[str]:
    """Names of the players without which the method makes no pictures.

    Those that only its losses need are not among them.
    """
    method = methods.build(
        config.method, arithmetic=config.arithmetic, **config.options
    )
    return set(jax.eval_shape(method.init, jax.random.key(0)).players)
