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


def refused(text):
    """The words of a text that are refused."""
    return [match[0] for match in REFUSED.finditer(text)]


def help_texts(capsys, *command):
    """(command, its help) of a command and of all commands below it."""
    with pytest.raises(SystemExit):
        run([*command, "--help"])
    text = capsys.readouterr().out
    yield " ".join(command), text
    _, _, listed = text.partition("\nCommands:\n")
    for name in re.findall(r"^  ([a-z]+)  ", listed, re.MULTILINE):
        yield from help_texts(capsys, *command, name)


def test_help_texts_are_plain(capsys):
    texts = dict(help_texts(capsys))
    assert {"stylize", "train", "style save", "weights list"} <= set(texts)
    found = {name: refused(" ".join(text.split())) for name, text in texts.items()}
    assert {name: words for name, words in found.items() if words} == {}


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
