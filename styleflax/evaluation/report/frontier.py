"""Pairwise comparison of systems at equal content error."""

import itertools
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from styleflax.evaluation.report.catalogue import (
    GRAM_NETWORKS,
    LPIPS_NETWORKS,
    describe_metric,
)
from styleflax.evaluation.report.formatting import (
    ABSENT,
    Cell,
    Table,
    format_number,
    format_strength,
)
from styleflax.evaluation.report.summary import Summary


class Point(NamedTuple):
    """A system at one strength.

    Attributes:
        strength: Strength of the style; None if the system has none.
        lpips: Mean content error.
        gram: Mean style error.
    """

    strength: float | None
    lpips: float
    gram: float


class Comparison(NamedTuple):
    """A point of one curve, compared with another curve.

    Attributes:
        point: The point.
        gram_at_equal_lpips: Style error of the other curve at the point's content
            error, interpolated linearly; None outside of its range.
        better: Points of the other curve with less style error at no more content
            error.
    """

    point: Point
    gram_at_equal_lpips: float | None
    better: tuple[Point, ...]


class Matchup(NamedTuple):
    """One curve, compared with every point of another on all networks.

    Attributes:
        curve: Name of the compared system.
        other: Name of the system to whose points it is compared.
        lpips: Metric of the content error.
        by_gram: One comparison per point, by metric of the style error.
        on_all: For each point, the strengths of `curve` with less style error on the
            first network, no more on the others, and no more content error.
    """

    curve: str
    other: str
    lpips: str
    by_gram: dict[str, list[Comparison]]
    on_all: list[tuple[float | None, ...]]


def interpolate_gram(curve: Sequence[Point], lpips: float) -> float | None:
    """Returns the style error of a curve at a content error.

    Args:
        curve: Points in the order of their strengths, interpolated linearly.
        lpips: The content error.

    Returns:
        The least style error if the curve has this content error several times; None
        if it never has.
    """
    found = [point.gram for point in curve if point.lpips == lpips]
    for a, b in itertools.pairwise(curve):
        if min(a.lpips, b.lpips) < lpips < max(a.lpips, b.lpips):
            share = (lpips - a.lpips) / (b.lpips - a.lpips)
            found.append(a.gram + share * (b.gram - a.gram))
    return min(found, default=None)


def compare_curves(curve: Sequence[Point], other: Sequence[Point]) -> list[Comparison]:
    """Returns the comparison of this curve with each point of the other."""
    return [
        Comparison(
            point,
            interpolate_gram(curve, point.lpips),
            tuple(
                own
                for own in curve
                if own.gram < point.gram and own.lpips <= point.lpips
            ),
        )
        for point in other
    ]


def collect_curves(
    summaries: Sequence[Summary], lpips: str, gram: str
) -> dict[str, list[Point]]:
    """Returns the points of every system except baselines, by name."""
    curves: dict[str, list[Point]] = {}
    for summary in summaries:
        if not summary.is_baseline and {lpips, gram} <= summary.values.keys():
            point = Point(
                summary.strength,
                summary.values[lpips].mean,
                summary.values[gram].mean,
            )
            curves.setdefault(summary.curve, []).append(point)
    return curves


def content_error(summaries: Sequence[Summary]) -> str | None:
    """Returns the LPIPS metric of the content error; None if no row has one."""
    present = {name for summary in summaries for name in summary.values}
    names = (f"lpips_{network}" for network in LPIPS_NETWORKS)
    return next((name for name in names if name in present), None)


def match_up(summaries: Sequence[Summary], lpips: str) -> list[Matchup]:
    """Returns the comparison of every curve with every other, by an LPIPS metric."""
    grams = [f"gram_{network}" for network in GRAM_NETWORKS]
    by_gram = {gram: collect_curves(summaries, lpips, gram) for gram in grams}
    by_gram = {gram: curves for gram, curves in by_gram.items() if curves}
    # Only curves that have all of their points on every network are compared.
    sizes = [{k: len(v) for k, v in curves.items()} for curves in by_gram.values()]
    names = [
        name
        for name, size in (sizes[0] if sizes else {}).items()
        if all(others.get(name) == size for others in sizes)
    ]
    matchups = []
    for curve in names:
        for other in names:
            if curve != other:
                compared = {
                    gram: compare_curves(curves[curve], curves[other])
                    for gram, curves in by_gram.items()
                }
                own = [curves[curve] for curves in by_gram.values()]
                others = [curves[other] for curves in by_gram.values()]
                matchups.append(
                    Matchup(curve, other, lpips, compared, _better(own, others))
                )
    return matchups


def _better(
    own: Sequence[Sequence[Point]], others: Sequence[Sequence[Point]]
) -> list[tuple[float | None, ...]]:
    """Returns the strengths of a curve that are better on all networks, per point.

    Args:
        own: Points of the curve by network, the same number on each.
        others: Points of the other curve by network.
    """
    return [
        tuple(
            mine[0].strength
            for mine in zip(*own, strict=True)
            if mine[0].lpips <= points[0].lpips
            and mine[0].gram < points[0].gram
            and all(a.gram <= b.gram for a, b in zip(mine[1:], points[1:], strict=True))
        )
        for points in zip(*others, strict=True)
    ]


def build_matchup_tables(matchups: Sequence[Matchup]) -> list[Table]:
    """Returns a table for every pair of curves, with a row per LPIPS metric and point.

    Args:
        matchups: Comparisons of any curves by any LPIPS metric.
    """
    groups: dict[tuple[str, ...], list[Matchup]] = {}
    for matchup in matchups:
        key = (matchup.curve, matchup.other, *matchup.by_gram)
        groups.setdefault(key, []).append(matchup)
    return [_build_table(group) for group in groups.values()]


def _build_table(matchups: Sequence[Matchup]) -> Table:
    """Returns the table of two curves; all matchups have the same style errors."""
    own, other, _, by_gram, _ = matchups[0]
    titles = [describe_metric(matchup.lpips).title for matchup in matchups]
    heads = [
        ("at equal", "Network that measures the content error."),
        (f"strength of {other}", ""),
        (f"LPIPS of {other}", f"Content error of {other}."),
    ]
    for gram in by_gram:
        title = describe_metric(gram).title
        heads += [
            (f"{title} of {other}", ""),
            (
                f"{title} of {own}",
                "At the same content error, interpolated between its points.",
            ),
            (
                f"{own} is better at",
                "Strengths with less style error at no more content error.",
            ),
        ]
    if len(by_gram) > 1:
        heads.append(
            (
                f"{own} is better on all at",
                "Less style error on the first network, no more on the others.",
            )
        )
    rows = [
        [Cell(title), *cells]
        for title, matchup in zip(titles, matchups, strict=True)
        for cells in _rows(matchup)
    ]
    title = f"{own} against the points of {other}, at equal {' and '.join(titles)}"
    return Table(title, heads, rows)


def _rows(matchup: Matchup) -> Iterator[list[Cell]]:
    """Yields the cells of each point, without the name of the LPIPS metric."""
    several = len(matchup.by_gram) > 1
    for i, comparisons in enumerate(zip(*matchup.by_gram.values(), strict=True)):
        point = comparisons[0].point
        yield [
            Cell(format_strength(point.strength)),
            Cell(format_number(point.lpips, 3)),
            *(cell for comparison in comparisons for cell in _compare(comparison)),
            *[Cell(_strengths(matchup.on_all[i]))] * several,
        ]


def _compare(comparison: Comparison) -> list[Cell]:
    theirs, own = comparison.point.gram, comparison.gram_at_equal_lpips
    return [
        Cell(format_number(theirs, 3), "", own is not None and theirs < own),
        Cell(format_number(own, 3), "", own is not None and own < theirs),
        Cell(_strengths([point.strength for point in comparison.better])),
    ]


def _strengths(strengths: Sequence[float | None]) -> str:
    """Returns the strengths separated by commas; "yes" for a system without any."""
    if not strengths:
        return ABSENT
    return ", ".join("yes" if x is None else f"{x:g}" for x in strengths)
