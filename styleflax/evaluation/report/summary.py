"""Means of the metrics of each system, with confidence intervals."""

import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from styleflax.evaluation.metrics.bootstrap import bootstrap_mean
from styleflax.evaluation.report.catalogue import OF_SOME_CONTENTS, order_metrics
from styleflax.evaluation.rows import IDENTITY, PAIR, Row

BASELINES = ("content", "style", "coral")
"""Names of the systems that serve only for comparison."""

# Half a percent of the draws at each end is still 10 of them, and a report of some
# twenty systems takes seconds.
DRAWS = 2_000

SystemKey = tuple[str, float | None]


class Mean(NamedTuple):
    """The mean of the finite values of a metric.

    Attributes:
        mean: Mean of the values.
        low: Lower end of the 95 % bootstrap interval.
        high: Upper end.
        num_values: Number of finite values.
    """

    mean: float
    low: float
    high: float
    num_values: int


class Summary(NamedTuple):
    """One system at one strength.

    Attributes:
        system: Name of the system in the rows.
        alpha: Strength in the rows.
        curve: Name of the system at all strengths: "lite" for "lite@0.5".
        strength: The alpha, or the number after "@" in the name of outputs.
        num_pairs: Number of scored pairs.
        is_grid: Whether every content is paired with every style.
        num_identity: Number of scored contents that were their own style.
        values: Means over the pairs, by metric.
        identity: Means over the contents that were their own style.
        whole: Metrics of all images together, such as FID.
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
        """The name with the strength, for users."""
        if self.strength is None:
            return self.curve
        return f"{self.curve} at {self.strength:g}"


def parse_strength(system: str, alpha: float | None) -> tuple[str, float | None]:
    """Returns the name of the curve and the strength on it.

    "lite@0.75" without an alpha is the point 0.75 of the curve "lite" if the text after
    the last "@" is a finite number.
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

    Curves have the order of the rows, their points are sorted by strength, and
    baselines are last.

    Args:
        rows: Rows of any number of systems.
        sets: Metrics of all images of a system together, by (system, alpha).
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
    """Returns the mean of one metric; None if no row has a finite value of it.

    If every content is paired with every style, contents and styles are resampled
    separately, because values that share an image are not independent. Otherwise the
    pairs are resampled.
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
    """Returns sentences that list values missing from means and unequal pairs."""
    notes = []
    most = max((s.num_pairs for s in summaries), default=0)
    fewer = [f"{s.label} ({s.num_pairs})" for s in summaries if s.num_pairs < most]
    if fewer:
        notes.append(
            f"Not every system is scored on all {most} pairs, so means are not "
            f"comparable: {', '.join(fewer)}."
        )
    if not all(s.is_grid for s in summaries):
        notes.append(
            "Not every content is paired with every style: the intervals treat pairs "
            "that share an image as independent and are too narrow."
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
                    f"{summary.label}: means exclude {what} without a finite value: "
                    f"{', '.join(short)}."
                )
    return notes
