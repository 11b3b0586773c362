"""The phases of a run, and the method that each trains."""

from collections.abc import Iterator, Sequence

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
        ValueError: If the method does not have one of the losses, or the color step.
    """
    # Methods that are added to `METHODS` need not know `remat`.
    remat = {"remat": True} if config.run.remat else {}
    return methods.build(
        config.method,
        phase.losses,
        config.record_of_options(),
        arithmetic=config.arithmetic,
        dtype=config.compute_dtype,
        color_match=phase.color_match,
        **remat,
    )


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
        config.method,
        options=config.record_of_options(),
        arithmetic=config.arithmetic,
    )
    return set(jax.eval_shape(method.init, jax.random.key(0)).players)
