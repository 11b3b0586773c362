"""Where programs lie, and whether."""

import os
from pathlib import Path

import pytest

from styleflax.compile_cache import folder as folders
from styleflax.compile_cache.folder import (
    JAX_FOLDER,
    keep_programs,
    limit_size,
    machine_name,
    program_folder,
    read_cached,
    write_cached,
)


@pytest.fixture
def environment(tmp_path, monkeypatch):
    """`environment(**variables)`: what `keep_programs` does in that environment."""
    monkeypatch.setattr(folders._Setting, "folder", None)
    variables = {"STYLEFLAX_CACHE": str(tmp_path / "cache")}
    monkeypatch.setattr(os, "environ", variables)

    def call(**more):
        variables.update(more)
        keep_programs()
        return variables

    return call


def test_programs_lie_in_the_users_cache_by_processor(environment, tmp_path):
    variables = environment()
    folder = tmp_path / "cache" / "compiled" / machine_name()
    assert program_folder() == folder
    assert folder.stat().st_mode & 0o777 == 0o700
    assert variables[JAX_FOLDER] == str(folder)
    assert float(variables["JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS"]) == 0


def test_jaxs_variable_names_the_folder(environment, tmp_path):
    own = str(tmp_path / "own")
    variables = environment(**{JAX_FOLDER: own})
    assert program_folder() == Path(own)
    assert variables[JAX_FOLDER] == own
    assert not (tmp_path / "cache").exists()


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("STYLEFLAX_COMPILATION_CACHE", "off"),
        ("STYLEFLAX_COMPILATION_CACHE", " OFF "),
        ("JAX_ENABLE_COMPILATION_CACHE", "false"),
        (JAX_FOLDER, "gs://bucket/programs"),
    ],
)
def test_it_can_be_switched_off(environment, tmp_path, variable, value):
    variables = environment(**{variable: value})
    assert program_folder() is None
    assert variables.get(JAX_FOLDER) in {None, value}
    assert not (tmp_path / "cache").exists()


def test_a_cache_that_cannot_be_made_keeps_nothing(environment, tmp_path):
    (tmp_path / "cache").write_text("a file")
    assert JAX_FOLDER not in environment()
    assert program_folder() is None


def test_a_folder_that_cannot_be_written_to_is_only_read(environment, monkeypatch):
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    assert JAX_FOLDER not in environment()
    assert program_folder() is not None


def test_what_was_used_last_stays(tmp_path):
    for number, name in enumerate(("a.program", "b-cache", "sub/c.program", "notes")):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(bytes(100))
        os.utime(path, (number, number))
    limit_size(tmp_path, 300)
    assert (tmp_path / "a.program").exists()
    limit_size(tmp_path, 150)
    left = {path.name for path in tmp_path.rglob("*") if path.is_file()}
    assert left == {"c.program", "notes"}


def test_reading_counts_as_use(tmp_path):
    path = tmp_path / "a.program"
    write_cached(path, b"content")
    os.utime(path, (1, 1))
    assert read_cached(path) == b"content"
    assert path.stat().st_mtime > 1
    assert [*tmp_path.iterdir()] == [path]
