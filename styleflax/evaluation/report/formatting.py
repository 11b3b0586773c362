"""Formatted tables for the page and the Markdown file."""

import importlib.util
import math
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from styleflax.evaluation.report.catalogue import (
    GROUPS,
    HEADLINE,
    Metric,
    describe_metric,
    order_metrics,
)
from styleflax.evaluation.report.summary import Mean, Summary

PACKAGES = ("jinja2", "matplotlib")


def check_extras() -> None:
    """Checks that a report can be drawn; call it before a long evaluation.

    Raises:
        ImportError: If a package of the extra "eval" is not installed.
    """
    missing = [name for name in PACKAGES if importlib.util.find_spec(name) is None]
    if missing:
        raise ImportError(
            f"the report needs {' and '.join(missing)}: "
            'run `pip install "styleflax[eval]"`'
        )


ABSENT = "–"  # noqa: RUF001  (the dash is what a reader sees)

_ARROWS = {"lower": "↓", "higher": "↑", "": ""}


class Cell(NamedTuple):
    """One cell of a table.

    Attributes:
        text: A number, or a name.
        detail: The number's interval; "" for none.
        is_best: Whether it is the best of its column, baselines excluded.
    """

    text: str
    detail: str = ""
    is_best: bool = False


class Table(NamedTuple):
    """A table with the titles of its columns.

    Attributes:
        title: Title of the table.
        heads: (title, explanation) of every column.
        rows: Cells of every row, one per column.
        detailed: Columns whose intervals are shown in Markdown; the page shows all.
    """

    title: str
    heads: list[tuple[str, str]]
    rows: list[list[Cell]]
    detailed: frozenset[int] = frozenset()


_TITLES = {
    "main": "All systems",
    "layers": "Gram distance, layer by layer",
    "artifacts": "Artifacts",
    "identity": "Identity: every content as its own style",
    "speed": "Speed",
    "set": "All pictures together",
    "other": "Further numbers",
}


def format_number(value: float | None, decimals: int) -> str:
    """Returns the rounded number as text, or a dash for None."""
    if value is None or not math.isfinite(value):
        return ABSENT
    return f"{value:.{decimals}f}"


def choose_decimals(values: Sequence[float]) -> int:
    """Returns the number of decimals for the numbers of a column, at most 6.

    The largest number gets three significant digits below 1 and four above.
    """
    most = max((abs(value) for value in values if math.isfinite(value)), default=0.0)
    if most == 0.0:
        return 3
    exponent = math.floor(math.log10(most))
    return min(max(3 - exponent if exponent >= 0 else 2 - exponent, 0), 6)


def format_strength(strength: float | None) -> str:
    """Returns the strength with as few digits as possible."""
    return ABSENT if strength is None else f"{strength:g}"


def build_tables(summaries: Sequence[Summary]) -> dict[str, Table]:
    """Returns the non-empty tables by group of metrics."""
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
    if group not in {"identity", "set"}:  # these tables show all of their metrics
        metrics = [metric for metric in metrics if metric.group == group]
    shown = [s for s in summaries if any(m.name in means(s) for m in metrics)]
    columns = [_column(metric, shown, means) for metric in metrics]
    heads = [
        ("system", ""),
        ("strength", ""),
        ("pairs", "Number of images in the means."),
    ]
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
    detailed = {3 + i for i, m in enumerate(metrics) if m.name in HEADLINE}
    return Table(
        _TITLES[group], heads, rows, frozenset(detailed if group == "main" else ())
    )


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


def render_markdown(tables: Sequence[Table]) -> str:
    """Returns the tables as Markdown, with the intervals of `detailed` columns."""
    parts = []
    for table in tables:
        lines = [f"### {_escape_markdown(table.title)}", ""]
        lines.append(_markdown_line([title for title, _ in table.heads]))
        lines.append("|---" * 2 + "|---:" * (len(table.heads) - 2) + "|")
        for row in table.rows:
            texts = [
                _markdown_cell(cell, with_detail=i in table.detailed)
                for i, cell in enumerate(row)
            ]
            lines.append(f"| {' | '.join(texts)} |")
        parts.append("\n".join(lines) + "\n")
    return "\n".join(parts)


def _markdown_cell(cell: Cell, *, with_detail: bool) -> str:
    text = _escape_markdown(cell.text)
    bold = f"**{text}**" if cell.is_best else text
    return f"{bold} ({cell.detail})" if with_detail and cell.detail else bold


def _markdown_line(texts: Sequence[str]) -> str:
    return f"| {' | '.join(_escape_markdown(text) for text in texts)} |"


def _escape_markdown(text: str) -> str:
    """Returns text in which characters of Markdown and HTML are escaped."""
    for sign in "\\`*_[]<>|#":
        text = text.replace(sign, f"\\{sign}")
    return " ".join(text.split())
