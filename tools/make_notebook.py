"""Writes docs/tutorial.ipynb, whose text and code are those of docs/tutorial.md."""

import json
import re
from pathlib import Path
from typing import Any

DOCS = Path(__file__).parents[1] / "docs"
_CODE = re.compile(r"```python\n(.*?)```\n", re.DOTALL)
_KERNEL = {"display_name": "Python 3", "language": "python", "name": "python3"}


def make_notebook(markdown: str) -> dict[str, Any]:
    """Blocks of Python as code cells without outputs, all else as text between."""
    parts = _CODE.split(markdown)  # text and code in turn
    cells = [
        _code_cell(place, part) if place % 2 else _text_cell(place, part)
        for place, part in enumerate(parts)
        if part.strip()
    ]
    metadata = {"kernelspec": _KERNEL}
    return {"cells": cells, "metadata": metadata, "nbformat": 4, "nbformat_minor": 5}


def as_text(notebook: dict[str, Any]) -> str:
    """The notebook as its file has it."""
    return json.dumps(notebook, indent=1, ensure_ascii=False) + "\n"


def _cell(kind: str, place: int, source: str) -> dict[str, Any]:
    lines = source.strip("\n").splitlines(keepends=True)
    return {"cell_type": kind, "id": f"part-{place}", "metadata": {}, "source": lines}


def _text_cell(place: int, source: str) -> dict[str, Any]:
    return _cell("markdown", place, source)


def _code_cell(place: int, source: str) -> dict[str, Any]:
    return _cell("code", place, source) | {"execution_count": None, "outputs": []}


if __name__ == "__main__":
    page = (DOCS / "tutorial.md").read_text("utf-8")
    (DOCS / "tutorial.ipynb").write_text(as_text(make_notebook(page)), "utf-8")
