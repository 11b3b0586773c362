"""Which phase a step belongs to."""

from collections.abc import Iterator, Sequence

from styleflax.config import Phase


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
