"""Examples in docstrings of functions that need no files."""

import doctest
import importlib
import pkgutil

import pytest

ROOMS = (
    *("art", "config", "evaluation.metrics", "images", "inference.controls"),
    *("losses", "methods", "models", "ops"),
)
FLAGS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE


def modules():
    """The modules of these rooms."""
    for room in ROOMS:
        module = importlib.import_module(f"styleflax.{room}")
        yield module.__name__
        for info in pkgutil.iter_modules(getattr(module, "__path__", [])):
            yield f"{module.__name__}.{info.name}"


@pytest.mark.parametrize("name", [*modules()])
def test_examples_show_what_happens(name):
    failed, _ = doctest.testmod(importlib.import_module(name), optionflags=FLAGS)
    assert failed == 0


def test_there_are_examples():
    tests = [
        test
        for name in modules()
        for test in doctest.DocTestFinder().find(importlib.import_module(name))
    ]
    assert sum(bool(test.examples) for test in tests) >= 25
