"""Scores on disk, one line of JSON per image, so that an evaluation can be resumed.

The folder of an evaluation contains `settings.json`, with the settings and the digests
of all files, and `rows.jsonl`, with the scores.
"""

import json
import math
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from styleflax.files import make_folder, write_file

ROWS_FILE = "rows.jsonl"
SETTINGS_FILE = "settings.json"
PAIR, IDENTITY = "pair", "identity"

_MAX_NAMES = 5


class Row(NamedTuple):
    """The scores of one image.

    Attributes:
        kind: "pair", or "identity" if the content is its own style.
        system: Name of a model, of a baseline or of outputs.
        alpha: Strength of the style; None if the system has no strength.
        content: Name of the content, without suffix.
        style: Name of the style, without suffix; the content's for "identity".
        values: Values by metric. Metrics that do not apply are absent; values that are
            not finite are NaN.
        picture: Path of the image relative to the folder of the evaluation; "" if it
            was not written.
    """

    kind: str
    system: str
    alpha: float | None
    content: str
    style: str
    values: dict[str, float]
    picture: str = ""


RowKey = tuple[str, str, float | None, str, str]


def row_key(row: Row) -> RowKey:
    """Returns the key of a row: (kind, system, alpha, content, style)."""
    return row.kind, row.system, row.alpha, row.content, row.style


def append_rows(out: Path, rows: Iterable[Row]) -> None:
    """Appends rows to those in a folder, and waits until they are on disk.

    Call `read_rows` first: it removes an incomplete last line.
    """
    text = "".join(_line(row) for row in rows)
    with (out / ROWS_FILE).open("a", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())


def _line(row: Row) -> str:
    values = {k: v if math.isfinite(v) else None for k, v in row.values.items()}
    plain = {**row._asdict(), "values": values}
    return json.dumps(plain, ensure_ascii=False, allow_nan=False) + "\n"


def read_rows(out: Path) -> list[Row]:
    """Returns the rows in a folder, each key once, in the order of writing.

    An incomplete last line, left by a killed process, is removed from the file.

    Raises:
        ValueError: If another line is damaged.
    """
    path = out / ROWS_FILE
    if not path.exists():
        return []
    data = path.read_bytes()
    whole = data[: data.rfind(b"\n") + 1]
    if len(whole) < len(data):
        with path.open("r+b") as file:
            file.truncate(len(whole))
    rows: dict[RowKey, Row] = {}
    for number, line in enumerate(whole.splitlines(), start=1):
        try:
            row = _parse(line)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise ValueError(
                f"{path} is damaged in line {number}: remove the line, or the folder"
            ) from error
        rows.setdefault(row_key(row), row)
    return list(rows.values())


def _parse(line: bytes) -> Row:
    found: dict[str, Any] = json.loads(line)
    values = {
        k: math.nan if v is None else float(v) for k, v in found["values"].items()
    }
    return Row(**{**found, "values": values})


def open_folder(
    out: Path, settings: Mapping[str, Any], *, overwrite: bool = False
) -> list[Row]:
    """Opens the folder of an evaluation, and returns the rows that it contains.

    Args:
        out: Folder, created if missing.
        settings: Settings as JSON values. Those under "compared" must equal those of
            the folder. "digests" contains a digest by name for each kind of file: a
            known file must be unchanged, others may be added or removed. The rest is
            only recorded.
        overwrite: Whether to discard the folder's rows if its settings differ.

    Raises:
        ValueError: If the folder's settings differ and `overwrite` is not set, or a
            row is damaged.
    """
    make_folder(out)
    expected = json.loads(json.dumps(settings, allow_nan=False))
    before = _read_settings(out / SETTINGS_FILE)
    different = _differences(before, expected)
    if different and not overwrite:
        shown = ", ".join(different[:_MAX_NAMES])
        more = len(different) - _MAX_NAMES
        raise ValueError(
            f"{out} holds an evaluation with other settings ({shown}"
            f"{f' and {more} more' if more > 0 else ''}): "
            "give another folder, or --overwrite to lose its numbers"
        )
    if different:
        # Removed first, so that an interruption leaves no rows under wrong settings.
        (out / ROWS_FILE).unlink(missing_ok=True)
    elif before:
        for kind, digests in expected["digests"].items():
            expected["digests"][kind] = before["digests"].get(kind, {}) | digests
        for kind, digests in before["digests"].items():
            expected["digests"].setdefault(kind, digests)
    _write_settings(out / SETTINGS_FILE, expected)
    return read_rows(out)


def _read_settings(path: Path) -> dict[str, Any] | None:
    """Returns the settings of a folder: None if there are none, {} if damaged."""
    if not path.exists():
        return None
    try:
        found = json.loads(path.read_bytes())
        whole = isinstance(found["compared"], dict) and isinstance(
            found["digests"], dict
        )
    except (ValueError, KeyError, TypeError):
        return {}
    return found if whole else {}


def _write_settings(path: Path, settings: Mapping[str, Any]) -> None:
    text = json.dumps(settings, indent=2, sort_keys=True, ensure_ascii=False) + "\n"
    write_file(path, text)


def _differences(before: Mapping[str, Any] | None, now: Mapping[str, Any]) -> list[str]:
    """Returns the names of the settings that differ from those of the folder."""
    if before is None:
        return []
    if not before:
        return ["its settings cannot be read"]
    old, new = before["compared"], now["compared"]
    names = [n for n in sorted(old.keys() | new.keys()) if old.get(n) != new.get(n)]
    for kind, digests in sorted(now["digests"].items()):
        known = before["digests"].get(kind, {})
        changed = (n for n in sorted(digests) if known.get(n, digests[n]) != digests[n])
        names += [f"{kind} {name}" for name in changed]
    return names
