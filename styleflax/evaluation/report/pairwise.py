"""Tables of one system held against another, at equal content error."""

from collections.abc import Iterator, Sequence

from styleflax.evaluation.report.catalogue import describe_metric
from styleflax.evaluation.report.formatting import (
    ABSENT,
    Cell,
    Table,
    format_number,
    format_strength,
)
from styleflax.evaluation.report.frontier import Comparison, Matchup


def build_matchup_tables(matchups: Sequence[Matchup]) -> list[Table]:
    """Returns a table for each two curves, a row for each LPIPS and point.

    Matchups of the same two by several LPIPS share a table, those by one LPIPS in
    rows that follow each other.

    Args:
        matchups: Matchups of any curves, by any LPIPS.
    """
    groups: dict[tuple[str, ...], list[Matchup]] = {}
    for matchup in matchups:
        key = (matchup.curve, matchup.other, *matchup.by_gram)
        groups.setdefault(key, []).append(matchup)
    return [_build_table(group) for group in groups.values()]


def _build_table(matchups: Sequence[Matchup]) -> Table:
    """The table of two curves; all matchups are of the same style errors."""
    own, other, _, by_gram, _ = matchups[0]
    titles = [describe_metric(matchup.lpips).title for matchup in matchups]
    heads = [
        ("at equal", "By which network the content error is measured."),
        (f"strength of {other}", ""),
        (f"LPIPS of {other}", f"Content error of {other} there."),
    ]
    for gram in by_gram:
        title = describe_metric(gram).title
        heads += [
            (f"{title} of {other}", ""),
            (f"{title} of {own}", "At the same content error, between its points."),
            (
                f"{own} is better at",
                "Its strengths with less style error at no more content error.",
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
    """Yields the cells of each point, the name of the LPIPS left out."""
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
    """Returns the strengths with commas; "yes" for a system that has none."""
    if not strengths:
        return ABSENT
    return ", ".join("yes" if x is None else f"{x:g}" for x in strengths)
