"""A folder of programs for one test."""

import pytest

from styleflax.compile_cache import folder as folders


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Where programs are kept while the test runs."""
    monkeypatch.setattr(folders._Setting, "folder", tmp_path)
    return tmp_path
