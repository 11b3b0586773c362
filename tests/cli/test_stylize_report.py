"""What the command says, and the time that it counts."""

import io
from pathlib import Path

import pytest

from styleflax.cli.report import Report, Times
from styleflax.inference.folders.sources import Source

PAIR = Source(Path("a.png")), (Source(Path("s.png")),)


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.mark.parametrize(
    ("stream", "total", "shown"),
    [(Terminal, 3, True), (Terminal, 1, False), (io.StringIO, 3, False)],
)
def test_progress_is_shown_on_terminals_for_several(monkeypatch, stream, total, shown):
    error = stream()
    monkeypatch.setattr("sys.stderr", error)
    with Report(total) as report:
        for _ in range(total):
            report.done(PAIR, Path("out.png"), (1, 1), 0.0)
    assert ("picture" in error.getvalue()) == shown


def test_one_picture_by_itself_raises_and_several_are_counted():
    with Report(1) as report, pytest.raises(ValueError, match="broken"):
        report.fail(PAIR, ValueError("broken"))
    with Report(2) as report:
        report.fail(PAIR, ValueError("broken"))
        report.done(PAIR, Path("out.png"), (1, 1), 0.0)
        assert report.end({}) == 1
    with Report(2) as report:
        assert report.end({}) == 0


def test_time_of_compiling_is_counted_once_and_in_no_other_phase(monkeypatch):
    now = [0.0]
    monkeypatch.setattr("time.perf_counter", lambda: now[0])
    times = Times()
    with times.phase("run"):
        for end, duration in ((3, 1), (4, 3), (6, 1), (6.5, 1)):
            now[0] = end
            times.compiled("/jax/core/compile/jaxpr_trace_duration", duration)
        times.compiled("/jax/something/else", 5)
        now[0] = 10
    # 1 to 4 with 2 to 3 in it, 5 to 6, and of 5.5 to 6.5 what is new.
    assert times.seconds == {"import": 0, "weights": 0, "compile": 4.5, "run": 5.5}


def test_jax_reports_what_it_compiles():
    import jax

    times = Times()
    with times.watching_compiler(), times.phase("run"):
        jax.jit(lambda x: x * 3.25 + 1)(2.0)
    compiled = times.seconds["compile"]
    assert compiled > 0
    with times.phase("run"):
        jax.jit(lambda x: x * 4.25 + 1)(2.0)
    assert times.seconds["compile"] == compiled
