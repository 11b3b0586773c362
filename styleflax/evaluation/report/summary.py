"""Means of the rows of each system, with intervals."""

import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from styleflax.evaluation.metrics.bootstrap import bootstrap_mean
from styleflax.evaluation.report.catalogue import OF_SOME_CONTENTS, order_metrics
from styleflax.evaluation.rows import IDENTITY, PAIR, Row

BASELINES = ("content", "style", "coral")
"""Names of the systems that only show what a number is worth."""

# Half a percent of draws at each end is still 10 of them, and a report of some
# twenty systems takes seconds.
DRAWS = 2_000

SystemKey = tuple[str, float | None]


class Mean(NamedTuple):
    """The mean of the finite values.

    Attributes:
        mean: Mean of the values.
        low: Lower end of the 95 % bootstrap interval.
        high: Upper end.
        num_values: How many there are.
    """

    mean: float
    low: float
    high: float
    num_values: int


class Summary(NamedTuple):
    """One system at one strength.

    Attributes:
        system: As in the rows.
        alpha: As in the rows.
        curve: The name that the system has at any strength: "lite" of "lite@0.5".
        strength: The alpha, or what stands behind the "@" in the name of outputs.
        num_pairs: Pairs scored.
        is_grid: Whether every content meets every style.
        num_identity: Contents scored that were their own style.
        values: Means over the pairs, by metric.
        identity: Means over the contents that were their own style.
        whole: Numbers of all pictures together, such as FID.
    """

    system: str
    alpha: float | None
    curve: str
    strength: float | None
    num_pairs: int
    is_grid: bool
    num_identity: int
    values: dict[str, Mean]
    identity: dict[str, Mean]
    whole: dict[str, float]

    @property
    def is_baseline(self) -> bool:
        """Whether this is one of `BASELINES`."""
        return self.alpha is None and self.system in BASELINES

    @property
    def label(self) -> str:
        """The name with the strength, for people."""
        if self.strength is None:
            return self.curve
        return f"{self.curve} at {self.strength:g}"


def parse_strength(system: str, alpha: float | None) -> tuple[str, float | None]:
    """Returns the name of the curve and the strength on it.

    "lite@0.75" without an alpha is the point 0.75 of the curve "lite"; what stands
    behind the last "@" must be a finite number to count.
    """
    name, at, suffix = system.rpartition("@")
    if alpha is not None or not at or not name:
        return system, alpha
    try:
        strength = float(suffix)
    except ValueError:
        return system, None
    return (name, strength) if math.isfinite(strength) else (system, None)


def summarize(
    rows: Iterable[Row], sets: Mapping[SystemKey, Mapping[str, float]]
) -> list[Summary]:
    """Returns one summary for each system and strength.

    Curves come in the order of the rows and their points by strength; baselines
    come last.

    Args:
        rows: Rows of any number of systems.
        sets: Numbers of all pictures of a system together, by (system, alpha).
    """
    groups: dict[SystemKey, list[Row]] = {}
    for row in rows:
        groups.setdefault((row.system, row.alpha), []).append(row)
    for key in sets:
        groups.setdefault(key, [])
    found = [
        _summarize_one(key, group, sets.get(key, {})) for key, group in groups.items()
    ]
    place: dict[str, int] = {}
    for summary in found:
        place.setdefault(summary.curve, len(place))

    def order(summary: Summary) -> tuple[bool, int, float]:
        strength = -math.inf if summary.strength is None else summary.strength
        return summary.is_baseline, place[summary.curve], strength

    return sorted(found, key=order)


def _summarize_one(
    key: SystemKey, rows: Sequence[Row], whole: Mapping[str, float]
) -> Summary:
    pairs = [row for row in rows if row.kind == PAIR]
    own = [row for row in rows if row.kind == IDENTITY]
    return Summary(
        *key,
        *parse_strength(*key),
        num_pairs=len(pairs),
        is_grid=_is_grid({(row.content, row.style) for row in pairs}),
        num_identity=len(own),
        values=_means(pairs),
        identity=_means(own),
        whole={name: float(x) for name, x in whole.items() if math.isfinite(x)},
    )


def _means(rows: Sequence[Row]) -> dict[str, Mean]:
    names = order_metrics(name for row in rows for name in row.values)
    means = ((name, mean_of(rows, name)) for name in names)
    return {name: mean for name, mean in means if mean is not None}


def mean_of(rows: Sequence[Row], metric: str) -> Mean | None:
    """Returns the mean of one metric, None where no row has a finite value of it.

    Where every content meets every style, contents and styles are drawn again
    separately, as values that share a picture are not independent; of any other
    choice of pairs, the pairs are drawn.
    """
    values = {
        (row.content, row.style): row.values[metric]
        for row in rows
        if math.isfinite(row.values.get(metric, math.nan))
    }
    if not values:
        return None
    contents = sorted({content for content, _ in values})
    styles = sorted({style for _, style in values})
    if _is_grid(values.keys()):
        grid = np.array([[values[c, s] for s in styles] for c in contents])
    else:
        grid = np.array(list(values.values()))
    return Mean(*bootstrap_mean(grid, draws=DRAWS), len(values))


def _is_grid(pairs: Collection[tuple[str, str]]) -> bool:
    contents, styles = ({pair[axis] for pair in pairs} for axis in (0, 1))
    return len(contents) * len(styles) == len(pairs)


def list_gaps(summaries: Sequence[Summary]) -> list[str]:
    """Returns sentences on values that means leave out and pairs that differ."""
    notes = []
    most = max((s.num_pairs for s in summaries), default=0)
    fewer = [f"{s.label} ({s.num_pairs})" for s in summaries if s.num_pairs < most]
    if fewer:
        notes.append(
            f"Not every system is scored on all {most} pairs, so that means do not "
            f"compare: {', '.join(fewer)}."
        )
    if not all(s.is_grid for s in summaries):
        notes.append(
            "Not every content meets every style: intervals take pairs that share a "
            "picture for independent, and are too narrow."
        )
    for summary in summaries:
        parts = (
            (summary.values, summary.num_pairs, "pairs"),
            (summary.identity, summary.num_identity, "contents"),
        )
        for means, number, what in parts:
            short = [
                f"{name} ({number - mean.num_values})"
                for name, mean in means.items()
                if mean.num_values < number and name not in OF_SOME_CONTENTS
            ]
            if short:
                notes.append(
                    f"{summary.label}: means leave out {what} without a finite value: "
                    f"{', '.join(short)}."
                )
    return notes
