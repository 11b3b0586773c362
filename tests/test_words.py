"""Plain American English in help texts, errors and documentation."""

import ast
import re
from pathlib import Path

import pytest

import styleflax
from styleflax.cli.app import run

PACKAGE = Path(styleflax.__file__).parent
ROOT = PACKAGE.parent
PAGES = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").rglob("*.md"))]
RIDDLES = (
    r"so many|so often|what there is|comes? along|came along|by itself|to be had",
    r"looked at at once|of its own making|(?:^|[.;:!?] )Of [a-z]",
    r"as it is there|has not got|have not got|stands? beside|whoever",
)
BRITISH = (
    r"\w*colour\w*|grey\w*|\w*neighbour\w*|\w*favour\w*|\w*behaviour\w*|\w*artefact\w*",
    r"(?:normal|optim|minim|maxim|summar|recogn|initial|styl|organ|general)is(?:e|ed|es|er|ing|ation)s?",
    r"centred?|centres|labelled|modelled|learnt|licences?|cancelled|travelled",
)
REFUSED = re.compile(
    "|".join([*RIDDLES, rf"\b(?:{'|'.join(BRITISH)})\b"]), re.MULTILINE
)
FENCE = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)
CODE = re.compile(r"^```.*?^```|^    [^\n]*$|`[^`]*`|\]\([^)]*\)", re.M | re.S)
COMMANDS = (
    *(("stylize",), ("video",), ("gatys",), ("sheet",), ("dataset",), ("eval",)),
    *(("demo",), ("doctor",), ("train",), ("style", "save"), ("style", "train")),
    *(("style", "info"), ("weights", "list"), ("weights", "verify")),
    *(("weights", "fetch"), ("weights", "export"), ("weights", "average")),
    *(("weights", "convert"), ("weights", "info"), (), ("style",), ("weights",)),
)


def refused(text):
    """The words of a text that are refused."""
    return [match[0] for match in REFUSED.finditer(text)]


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_help_texts_are_plain(command, capsys):
    with pytest.raises(SystemExit):
        run([*command, "--help"])
    text = " ".join(capsys.readouterr().out.split())
    assert "styleflax" in text
    assert refused(text) == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_pages_are_plain(page):
    if page.name == "CHANGELOG.md":  # it names old modules
        return
    assert refused(CODE.sub("", page.read_text("utf-8"))) == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_lines_of_pages_are_short(page):
    if page.name == "CHANGELOG.md":
        return
    prose = FENCE.sub("", page.read_text("utf-8")).splitlines()
    free = ("|", "    ", "![")  # tables, code, pictures
    assert [x for x in prose if len(x) > 120 and not x.startswith(free)] == []


def messages(path):
    """The texts of the errors that a module raises, and where."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call):
            parts = [n.value for n in ast.walk(node.exc) if isinstance(n, ast.Constant)]
            yield node.lineno, " ".join(p for p in parts if isinstance(p, str))


def test_errors_are_plain():
    found = [
        f"{path.relative_to(PACKAGE)}:{line}: {words}"
        for path in PACKAGE.rglob("*.py")
        for line, text in messages(path)
        if (words := refused(text.replace("vgg_normalised", "")))
    ]
    assert not found, "\n".join(found)


def test_riddles_and_british_words_are_found():
    words = refused("the colour of so many neighbours")
    assert words == ["colour", "so many", "neighbours"]
    assert refused("Strength. Of the style, normalised.") == [". Of t", "normalised"]
    assert refused("The color of the style, normalized.") == []
