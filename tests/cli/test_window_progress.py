import io
import sys

from styleflax.cli.report import WindowProgress


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_windows_are_shown_as_they_pass_also_after_a_picture_that_failed(monkeypatch):
    # In the test itself, as pytest puts its own in place after fixtures.
    monkeypatch.setattr(sys, "stderr", terminal := Terminal())
    progress = WindowProgress()
    for done, total in ((1, 9), (2, 9), (1, 4), (2, 4), (3, 4), (4, 4)):
        progress(done, total)
    shown = terminal.getvalue()
    assert "/9" in shown
    assert "/4" in shown


def test_nothing_is_shown_of_one_window_or_into_a_file(monkeypatch):
    monkeypatch.setattr(sys, "stderr", terminal := Terminal())
    WindowProgress()(1, 1)
    assert terminal.getvalue() == ""
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    WindowProgress()(1, 5)
    assert sys.stderr.getvalue() == ""
