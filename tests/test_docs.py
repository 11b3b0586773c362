"""Links and code of the README and of the pages under docs."""

import itertools
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import styleflax

ROOT = Path(styleflax.__file__).parents[1]
if not (ROOT / "mkdocs.yml").is_file():
    pytest.skip("needs a checkout", allow_module_level=True)
PAGES = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").rglob("*.md"))]
LINK = re.compile(r"\]\(([^)\s]+)\)")
FENCE = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)


def anchors(path):
    """The anchors of a page's headings, as GitHub and the site make them."""
    headings = re.findall(r"^#+ (.*)$", FENCE.sub("", path.read_text()), re.MULTILINE)
    kept = (re.sub(r"[^\w\- ]", "", heading.lower()) for heading in headings)
    return {heading.strip().replace(" ", "-") for heading in kept}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_to_files_and_headings(page):
    for target in LINK.findall(FENCE.sub("", page.read_text("utf-8"))):
        if target.startswith(("https://", "http://")):
            continue
        name, _, anchor = target.partition("#")
        path = page.parent / name if name else page
        assert path.exists(), f"{page.name}: {target}"
        assert not anchor or anchor in anchors(path), f"{page.name}: {target}"


def test_readme_fits_a_front_page():
    lines = (ROOT / "README.md").read_text("utf-8").splitlines()
    assert len(lines) <= 120


def test_the_package_page_has_no_relative_link():
    tool = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]
    text = (ROOT / "README.md").read_text("utf-8")
    hooks = tool["hatch"]["metadata"]["hooks"]["fancy-pypi-readme"]
    for change in hooks["substitutions"]:
        text = re.sub(change["pattern"], change["replacement"], text)
    targets = LINK.findall(FENCE.sub("", text))
    assert targets
    assert all(target.startswith("https://") for target in targets)
    assert "(`docs/training.md`)" in text


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_blocks_of_python_compile(page):
    for code in re.findall(r"^```python\n(.*?)^```", page.read_text(), re.M | re.S):
        compile(code, page.name, "exec")


def test_commands_on_the_pages_exist():
    help_ = [sys.executable, "-m", "styleflax", "--help"]
    text = subprocess.run(help_, check=True, capture_output=True, text=True).stdout
    known = set(re.findall(r"^  ([a-z]+)  ", text, re.MULTILINE))
    assert {"stylize", "train"} <= known
    for page in PAGES:
        blocks = "".join(FENCE.findall(page.read_text()))
        for name in re.findall(r"^styleflax ([a-z]+)", blocks, re.MULTILINE):
            assert name in known, f"{page.name}: styleflax {name}"


def test_contributing_lists_the_rules_that_are_switched_off():
    lint = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["ruff"]
    lists = lint["lint"]["per-file-ignores"].values()
    switched_off = {*lint["lint"]["ignore"], *itertools.chain(*lists)}
    rows = re.findall(
        r"^\| ruff \| (.*?) \|", (ROOT / "CONTRIBUTING.md").read_text(), re.M
    )
    assert {
        x for row in rows for x in re.findall(r"`([A-Z]+\d*)`", row)
    } == switched_off
