"""The results of an evaluation as JSON, CSV and Markdown files."""

import csv
import json
import math
from collections.abc import Mapping, Sequence
from io import StringIO
from pathlib import Path
from typing import Any

from styleflax.evaluation.report.catalogue import order_metrics
from styleflax.evaluation.report.formatting import build_tables, render_markdown
from styleflax.evaluation.report.frontier import Matchup, Point, build_matchup_tables
from styleflax.evaluation.report.summary import Mean, Summary
from styleflax.evaluation.rows import IDENTITY, PAIR, Row
from styleflax.files import write_file

RESULTS_FILE = "results.json"
PAIRS_FILE = "pairs.csv"
IDENTITY_FILE = "identity.csv"
MARKDOWN_FILE = "results.md"

# The name of the style would repeat that of the content.
_NAME_COLUMNS = {
    PAIR: ("system", "alpha", "content", "style", "picture"),
    IDENTITY: ("system", "alpha", "content", "picture"),
}


def write_json(
    path: Path,
    settings: Mapping[str, Any],
    summaries: Sequence[Summary],
    matchups: Sequence[Matchup],
    notes: Sequence[str],
) -> None:
    """Writes settings, means and comparisons; missing numbers are null or absent."""
    found = {
        "settings": settings,
        "systems": [_plain_summary(summary) for summary in summaries],
        "at_equal_lpips": [_plain_matchup(matchup) for matchup in matchups],
        "notes": list(notes),
    }
    text = json.dumps(plain(found), indent=2, ensure_ascii=False, allow_nan=False)
    write_file(path, text + "\n")


def plain(value: Any) -> Any:
    """Returns a value that JSON can represent.

    Numbers that are not finite become null; paths and other types become text.
    """
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [plain(item) for item in value]
    if value is None or isinstance(value, (str, bool, int)):
        return value
    if hasattr(value, "item") and getattr(value, "ndim", None) == 0:
        return plain(value.item())  # a NumPy number
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return str(value)


def _plain_summary(summary: Summary) -> dict[str, Any]:
    def means(values: Mapping[str, Mean]) -> dict[str, Any]:
        return {name: mean._asdict() for name, mean in values.items()}

    return {
        "system": summary.system,
        "alpha": summary.alpha,
        "curve": summary.curve,
        "strength": summary.strength,
        "num_pairs": summary.num_pairs,
        "values": means(summary.values),
        "identity": means(summary.identity),
        "set": summary.whole,
    }


def _plain_matchup(matchup: Matchup) -> dict[str, Any]:
    def point(found: Point) -> dict[str, Any]:
        return found._asdict()

    return {
        "curve": matchup.curve,
        "other": matchup.other,
        "lpips": matchup.lpips,
        "points": {
            gram: [
                {
                    "other": point(comparison.point),
                    "gram_at_equal_lpips": comparison.gram_at_equal_lpips,
                    "better": [point(found) for found in comparison.better],
                }
                for comparison in comparisons
            ]
            for gram, comparisons in matchup.by_gram.items()
        },
        "better_on_all": matchup.on_all,
    }


def write_csv(path: Path, rows: Sequence[Row], kind: str) -> None:
    """Writes one line for each row of a kind; missing values are empty."""
    chosen = [row for row in rows if row.kind == kind]
    columns = _NAME_COLUMNS[kind]
    metrics = order_metrics(name for row in chosen for name in row.values)
    text = StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([*columns, *metrics])
    for row in chosen:
        values = (row.values.get(name, math.nan) for name in metrics)
        numbers = [repr(float(x)) if math.isfinite(x) else "" for x in values]
        alpha = "" if row.alpha is None else repr(float(row.alpha))
        named = row._asdict() | {"alpha": alpha}
        names = [named[column] for column in columns]
        writer.writerow([*names, *numbers])
    write_file(path, text.getvalue())


def write_markdown(
    path: Path, summaries: Sequence[Summary], matchups: Sequence[Matchup]
) -> None:
    """Writes the tables of systems and comparisons for use in a document."""
    tables = [*build_tables(summaries).values()]
    tables += build_matchup_tables(matchups)
    write_file(path, render_markdown(tables))
