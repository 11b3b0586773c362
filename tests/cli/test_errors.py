import errno
import re

import jax
import pytest

from styleflax.cli.app import describe_error, one_line_errors
from styleflax.memory import NotEnoughMemoryError
from styleflax.weights.fetch import WeightsError


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (
            ValueError("alpha must be in [0, 1], got 2"),
            "alpha must be in [0, 1], got 2",
        ),
        (ValueError("two\n  lines"), "two lines"),
        (ValueError(), "ValueError"),
        (FileNotFoundError("there is no photo.jpg"), "there is no photo.jpg"),
        (
            PermissionError(errno.EACCES, "Permission denied", "/x"),
            "/x: Permission denied",
        ),
        (OSError("cannot write"), "cannot write"),
        (ImportError("training requires grain"), "training requires grain"),
        (WeightsError("vgg19 could not be had"), "vgg19 could not be had"),
    ],
)
def test_a_mistake_is_one_line_and_code_2(error, line, capsys):
    with pytest.raises(SystemExit) as ended, one_line_errors():
        raise error
    assert ended.value.code == 2
    captured = capsys.readouterr()
    assert captured.err == f"styleflax: {line}\n"
    assert captured.out == ""


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (
            NotEnoughMemoryError("a step", "needs 9 GB", "use less"),
            "^a step needs 9 GB",
        ),
        (MemoryError(), "this needs more memory than is free: .*--size.* batch"),
        (
            jax.errors.JaxRuntimeError("RESOURCE_EXHAUSTED: allocating 2000000 bytes"),
            r"than is free \(2 MB at once\): use a smaller image",
        ),
    ],
)
def test_a_lack_of_memory_is_one_line_and_code_1(error, line, capsys):
    with pytest.raises(SystemExit) as ended, one_line_errors():
        raise error
    assert ended.value.code == 1
    said = capsys.readouterr().err.removeprefix("styleflax: ")
    assert re.search(line, said)
    assert said.count("\n") == 1


@pytest.mark.parametrize("error", [KeyError("a"), TypeError("b"), RuntimeError("c")])
def test_a_fault_of_the_program_keeps_its_traceback(error):
    with pytest.raises(type(error)), one_line_errors():
        raise error


def test_ctrl_c_is_one_line(capsys):
    with pytest.raises(SystemExit) as ended, one_line_errors():
        raise KeyboardInterrupt
    assert ended.value.code == 130
    assert capsys.readouterr().err == "styleflax: interrupted\n"


def test_a_traceback_is_printed_where_it_is_asked_for(capsys, monkeypatch):
    monkeypatch.setenv("STYLEFLAX_TRACEBACK", "1")
    with pytest.raises(SystemExit), one_line_errors():
        raise ValueError("bad")
    lines = capsys.readouterr().err.splitlines()
    assert lines[0].startswith("Traceback")
    assert lines[-1] == "styleflax: bad"


def test_other_exits_pass_through():
    with pytest.raises(SystemExit) as ended, one_line_errors():
        raise SystemExit(3)
    assert ended.value.code == 3


def test_a_missing_file_is_named_first(tmp_path):
    with pytest.raises(FileNotFoundError) as caught:
        (tmp_path / "a").read_text()
    path = tmp_path / "a"
    assert describe_error(caught.value) == f"{path}: No such file or directory"
