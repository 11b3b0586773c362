"""Reports of evaluations as JSON, CSV, Markdown and a single HTML page."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from styleflax.evaluation.report.catalogue import LPIPS_NETWORKS
from styleflax.evaluation.report.formatting import check_extras
from styleflax.evaluation.report.frontier import match_up
from styleflax.evaluation.report.sheets import Gallery, Inputs
from styleflax.evaluation.report.summary import SystemKey, summarize
from styleflax.evaluation.report.write import (
    IDENTITY_FILE,
    MARKDOWN_FILE,
    PAIRS_FILE,
    RESULTS_FILE,
    find_notes,
    write_csv,
    write_html,
    write_json,
    write_markdown,
)
from styleflax.evaluation.rows import IDENTITY, PAIR, Row

__all__ = ["check_extras", "write_report"]


def write_report(
    out: Path,
    rows: Sequence[Row],
    settings: Mapping[str, Any],
    sets: Mapping[SystemKey, Mapping[str, float]],
    *,
    inputs: Inputs | None = None,
) -> Path:
    """Writes results.json, two CSV files, results.md and report.html into a folder.

    The page is written last, so that the numbers are saved if it cannot be drawn.

    Args:
        out: An existing folder, to which the paths in rows are relative.
        rows: Rows of all systems.
        settings: Settings of the evaluation, shown on the page.
        sets: Metrics of all images of a system together, by (system, alpha).
        inputs: Contents and styles as files or arrays, by role ("content", "style")
            and name. Missing ones are taken from the images of the baselines.

    Returns:
        The path of the page.

    Raises:
        ImportError: If a package of the extra "eval" is not installed.
        ValueError: If there is no row.
    """
    if not rows:
        raise ValueError("rows must have at least one scored image, got none")
    summaries = summarize(rows, sets)
    gallery = Gallery(out, rows, inputs)
    present = {name for summary in summaries for name in summary.values}
    lpips = [f"lpips_{network}" for network in LPIPS_NETWORKS]
    matchups = [
        matchup
        for name in lpips
        if name in present
        for matchup in match_up(summaries, name)
    ]
    notes = find_notes(summaries, gallery)
    write_json(out / RESULTS_FILE, settings, summaries, matchups, notes)
    write_csv(out / PAIRS_FILE, rows, PAIR)
    write_csv(out / IDENTITY_FILE, rows, IDENTITY)
    write_markdown(out / MARKDOWN_FILE, summaries, matchups)
    check_extras()
    return write_html(out, rows, settings, summaries, matchups, gallery)
