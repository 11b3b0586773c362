"""Tables of text, as the page and the Markdown file show them."""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from styleflax.evaluation.report.catalogue import (
    GROUPS,
    Metric,
    describe_metric,
    order_metrics,
)
from styleflax.evaluation.report.frontier import Comparison, Matchup
from styleflax.evaluation.report.summary import Mean, Summary

ABSENT = "–"  # noqa: RUF001  (the dash is what a reader sees)

_ARROWS = {"lower": "↓", "higher": "↑", "": ""}


class Cell(NamedTuple):
    """What stands in one place of a table.

    Attributes:
        text: The number, or a name.
        detail: Its interval; "" for none.
        is_best: Whether it is the best of its column, baselines left out.
    """

    text: str
    detail: str = ""
    is_best: bool = False


class Table(NamedTuple):
    """A table with its heads.

    Attributes:
        title: Above it.
        heads: One for each column, as (title, explanation).
        rows: As many cells each as there are heads.
    """

    title: str
    heads: list[tuple[str, str]]
    rows: list[list[Cell]]


_TITLES = {
    "main": "All systems",
    "layers": "Gram distance, layer by layer",
    "artefacts": "Artefacts",
    "identity": "Identity: every content as its own style",
    "speed": "Speed",
    "set": "All pictures together",
    "other": "Further numbers",
}


def format_number(value: float | None, decimals: int) -> str:
    """Returns the number rounded, or a dash where there is none."""
    if value is None or not math.isfinite(value):
        return ABSENT
    return f"{value:.{decimals}f}"


def choose_decimals(values: Sequence[float]) -> int:
    """Returns how many decimals suit all numbers of a column.

    The largest has three digits that count below 1 and four above, up to 6 decimals.
    """
    most = max((abs(value) for value in values if math.isfinite(value)), default=0.0)
    if most == 0.0:
        return 3
    exponent = math.floor(math.log10(most))
    return min(max(3 - exponent if exponent >= 0 else 2 - exponent, 0), 6)


def format_strength(strength: float | None) -> str:
    """Returns the strength in as few digits as it needs."""
    return ABSENT if strength is None else f"{strength:g}"


def build_tables(summaries: Sequence[Summary]) -> dict[str, Table]:
    """Returns the tables for which there are numbers, by group of metrics."""
    tables = {}
    for group in GROUPS:
        means = {
            "identity": lambda s: s.identity,
            "set": lambda s: {k: Mean(v, v, v, 1) for k, v in s.whole.items()},
        }.get(group, lambda s: s.values)
        table = _build_table(group, summaries, means)
        if table.rows:
            tables[group] = table
    return tables


def _build_table(
    group: str,
    summaries: Sequence[Summary],
    means: Callable[[Summary], Mapping[str, Mean]],
) -> Table:
    names = order_metrics(name for summary in summaries for name in means(summary))
    metrics = [describe_metric(name) for name in names]
    if group not in {"identity", "set"}:  # these show all that is theirs
        metrics = [metric for metric in metrics if metric.group == group]
    shown = [s for s in summaries if any(m.name in means(s) for m in metrics)]
    columns = [_column(metric, shown, means) for metric in metrics]
    heads = [("system", ""), ("strength", ""), ("pairs", "Pictures that count here.")]
    heads += [(f"{m.title} {_ARROWS[m.better]}".strip(), m.text) for m in metrics]
    rows = [
        [
            Cell(s.curve),
            Cell(format_strength(s.strength)),
            Cell(str(s.num_identity if group == "identity" else s.num_pairs)),
            *(column[i] for column in columns),
        ]
        for i, s in enumerate(shown)
    ]
    return Table(_TITLES[group], heads, rows)


def _column(
    metric: Metric,
    summaries: Sequence[Summary],
    means: Callable[[Summary], Mapping[str, Mean]],
) -> list[Cell]:
    found = [means(summary).get(metric.name) for summary in summaries]
    rivals = [
        mean.mean
        for summary, mean in zip(summaries, found, strict=True)
        if mean is not None and not summary.is_baseline
    ]
    best = None
    if metric.better and len(set(rivals)) > 1:
        best = min(rivals) if metric.better == "lower" else max(rivals)
    scale, unit = (100.0, " %") if metric.is_share else (1.0, "")
    decimals = 1 if metric.is_share else choose_decimals([m.mean for m in found if m])

    def cell(summary: Summary, mean: Mean | None) -> Cell:
        if mean is None:
            return Cell(ABSENT)
        middle, low, high = (format_number(x * scale, decimals) for x in mean[:3])
        return Cell(
            middle + unit,
            "" if low == high == middle else f"{low} to {high}",
            not summary.is_baseline and mean.mean == best,
        )

    return [cell(s, mean) for s, mean in zip(summaries, found, strict=True)]


def build_matchup_table(matchup: Matchup) -> Table:
    """Returns one curve against each point of another, a row for each point."""
    own, other = matchup.curve, matchup.other
    heads = [
        (f"strength of {other}", ""),
        (describe_metric(matchup.lpips).title, f"Content error of {other} there."),
    ]
    for gram in matchup.by_gram:
        title = describe_metric(gram).title
        heads += [
            (f"{title} of {other}", ""),
            (f"{title} of {own}", "At the same content error, between its points."),
            (
                f"{own} is better at",
                "Its strengths with less style error at no more content error.",
            ),
        ]
    several = len(matchup.by_gram) > 1
    if several:
        heads.append(
            (
                f"{own} is better on all at",
                "Less style error on the first network, no more on the others.",
            )
        )
    rows = []
    for i, comparisons in enumerate(zip(*matchup.by_gram.values(), strict=True)):
        point = comparisons[0].point
        row = [
            Cell(format_strength(point.strength)),
            Cell(format_number(point.lpips, 3)),
        ]
        row += [cell for comparison in comparisons for cell in _compare(comparison)]
        rows.append(row + [Cell(_strengths(matchup.on_all[i]))] * several)
    return Table(f"{own} against the points of {other}", heads, rows)


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


def render_markdown(tables: Sequence[Table]) -> str:
    """Returns the tables as Markdown, intervals left out."""
    parts = []
    for table in tables:
        lines = [f"### {_escape_markdown(table.title)}", ""]
        lines.append(_markdown_line([title for title, _ in table.heads]))
        lines.append("|---" * 2 + "|---:" * (len(table.heads) - 2) + "|")
        for row in table.rows:
            texts = [_escape_markdown(cell.text) for cell in row]
            bold = [
                f"**{text}**" if cell.is_best else text
                for text, cell in zip(texts, row, strict=True)
            ]
            lines.append(f"| {' | '.join(bold)} |")
        parts.append("\n".join(lines) + "\n")
    return "\n".join(parts)


def _markdown_line(texts: Sequence[str]) -> str:
    return f"| {' | '.join(_escape_markdown(text) for text in texts)} |"


def _escape_markdown(text: str) -> str:
    """Returns text that Markdown shows as it is, HTML included."""
    for sign in "\\`*_[]<>|#":
        text = text.replace(sign, f"\\{sign}")
    return " ".join(text.split())
