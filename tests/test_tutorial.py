"""docs/tutorial.md, and the notebook made from it."""

import importlib.util
import json
from pathlib import Path

import pytest

import styleflax

DOCS = Path(styleflax.__file__).parents[1] / "docs"
if not DOCS.is_dir():
    pytest.skip("needs a checkout", allow_module_level=True)
NOTEBOOK = json.loads((DOCS / "tutorial.ipynb").read_text("utf-8"))


def test_the_notebook_is_what_the_page_makes():
    spec = importlib.util.spec_from_file_location(
        "maker", DOCS.parent / "tools" / "make_notebook.py"
    )
    maker = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(maker)
    page = (DOCS / "tutorial.md").read_text("utf-8")
    made = maker.as_text(maker.make_notebook(page))
    message = "run `python tools/make_notebook.py`"
    assert (DOCS / "tutorial.ipynb").read_text("utf-8") == made, message


@pytest.mark.slow  # half a minute of compiling networks of full width
def test_the_notebook_runs_from_top_to_bottom():
    names = {"__name__": "tutorial"}
    for cell in NOTEBOOK["cells"]:
        if cell["cell_type"] == "code":
            code = compile("".join(cell["source"]), f"cell {cell['id']}", "exec")
            exec(code, names)
    assert names["ours"].losses.keys() == {"model"}
