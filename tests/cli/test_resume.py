"""Work that was stopped and goes on, and disks that are full."""

import errno
import json
import os

import pytest
from fake_stylizer import FakeStylizer

from styleflax.inference.folders import stylize as stylize_job
from styleflax.inference.folders.records import record_path


@pytest.fixture
def stylize(command, fake, pictures, tmp_path):
    """`stylize(*flags)`: two photographs in one painting, into the folder out."""

    def call(*flags, weights="adain", style=None):
        style = style or pictures / "painting.png"
        given = ("stylize", pictures / "photos", "--style", style)
        return command(*given, "-o", tmp_path / "out", *flags, f"--weights={weights}")

    return call


@pytest.fixture
def results(tmp_path):
    """Names and bytes of the results, with the time of their making."""
    return lambda: {
        path.name: (path.read_bytes(), path.stat().st_mtime_ns)
        for path in sorted((tmp_path / "out").glob("[!.]*.png"))
    }


def stop_after(number, monkeypatch):
    """As Ctrl-C after so many pictures."""
    call, calls = FakeStylizer.run, []

    def stopping(self, *arguments, **controls):
        if len(calls) == number:
            raise KeyboardInterrupt
        calls.append(0)
        return call(self, *arguments, **controls)

    monkeypatch.setattr(FakeStylizer, "run", stopping)


def test_after_ctrl_c_resume_makes_the_rest_and_the_same(
    stylize, results, tmp_path, monkeypatch
):
    assert stylize()[0] == 0
    whole = {name: data for name, (data, _) in results().items()}
    (tmp_path / "out").rename(tmp_path / "whole")
    with monkeypatch.context() as patch:
        stop_after(1, patch)
        assert stylize()[0] == 130
    first = results()
    assert list(first) == ["a_painting.png"]
    code, _, error = stylize()
    assert (code, "use --resume or --overwrite" in error) == (2, True)
    code, said, error = stylize("--resume")
    assert code == 0, error
    assert said.split() == [str(tmp_path / "out" / "b_painting.png")]
    assert "1 of 2 results are complete" in error
    assert results()["a_painting.png"] == first["a_painting.png"]
    assert {name: data for name, (data, _) in results().items()} == whole


def test_what_is_complete_loads_no_model(stylize, fake, results):
    stylize()
    before, fake.loads[:] = results(), []
    code, said, error = stylize("--resume")
    assert (code, said) == (0, "")
    assert "2 of 2 results are complete" in error
    assert fake.loads == []
    assert results() == before


def test_json_lists_what_was_skipped(stylize):
    stylize()
    code, said, _ = stylize("--resume", "--json")
    *lines, summary = map(json.loads, said.splitlines())
    assert code == 0
    assert all(line["skipped"] and line["output"] for line in lines)
    assert summary["summary"]["skipped"] == 2


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (["--alpha", "0.5"], "alpha: was 1.0, now 0.5"),
        (["--color", "lab"], 'color: was "style", now "lab"'),
        (["--size", "32"], "size: was null, now 32"),
        (["--metadata", "keep"], 'metadata: was "strip", now "keep"'),
    ],
)
def test_other_controls_are_refused_by_name(stylize, results, flags, words):
    stylize()
    before = results()
    code, _, error = stylize("--resume", *flags)
    assert code == 2
    assert words in error
    assert "(and 1 more)" in error
    assert error.count("\n") == 1
    assert results() == before


def test_another_style_and_other_weights_are_refused(
    stylize, pictures, write_picture, tmp_path, results
):
    stylize()
    before = results()
    assert "the weights differ" in stylize("--resume", weights="sanet")[2]
    write_picture(pictures / "painting.png", seed=9)
    assert "the styles differ" in stylize("--resume")[2]
    assert results() == before


def test_results_that_are_damaged_or_of_another_photograph_are_made_again(
    stylize, pictures, write_picture, results, tmp_path
):
    stylize()
    before = results()
    path = tmp_path / "out" / "a_painting.png"
    path.write_bytes(path.read_bytes()[:-20])
    assert stylize("--resume")[0] == 0
    assert results()["a_painting.png"][0] == before["a_painting.png"][0]
    write_picture(pictures / "photos" / "a.png", seed=77)
    assert stylize("--resume")[0] == 0
    assert results()["a_painting.png"][0] != before["a_painting.png"][0]
    assert results()["b_painting.png"] == before["b_painting.png"]


def test_files_without_a_record_are_never_replaced(stylize, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "a_painting.png").write_text("dear")
    code, _, error = stylize("--resume")
    assert (code, "has no record" in error) == (2, True)
    assert (tmp_path / "out" / "a_painting.png").read_text() == "dear"
    assert stylize("--overwrite")[0] == 0
    assert stylize("--resume")[0] == 0


def test_a_record_is_there_before_its_result(stylize, monkeypatch, tmp_path):
    def killed(path, data):
        assert record_path(path).is_file()
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(stylize_job, "write_whole", killed)
        assert stylize()[0] == 130
    assert not list((tmp_path / "out").glob("*.png"))
    assert stylize("--resume")[0] == 0
    assert len(list((tmp_path / "out").glob("*.png"))) == 2


@pytest.mark.parametrize("text", ["", "{", "[]", '{"asked": 3}'])
def test_a_damaged_record_is_as_none(stylize, tmp_path, text):
    stylize()
    record_path(tmp_path / "out" / "a_painting.png").write_text(text)
    assert "has no record" in stylize("--resume")[2]


def test_resume_of_nothing_is_a_beginning(stylize, tmp_path):
    assert stylize("--resume")[0] == 0
    assert len(list((tmp_path / "out").glob("*.png"))) == 2


def test_one_file_may_be_resumed(command, fake, pictures, tmp_path):
    given = ("stylize", pictures / "photo.png", "--style", pictures / "painting.png")
    out = ("-o", tmp_path / "o.png")
    assert command(*given, *out)[0] == 0
    assert not record_path(tmp_path / "o.png").exists()
    assert command(*given, *out, "--overwrite", "--resume")[0] == 2
    assert "one" in command(*given, *out, "--overwrite", "--resume")[2]
    (tmp_path / "o.png").unlink()
    for expected in (1, 0):
        code, said, _ = command(*given, *out, "--resume")
        assert (code, len(said.split())) == (0, expected)
    assert command(*given, "-o", "-", "--resume")[0] == 2


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT])
def test_a_full_disk_stops_at_once_and_says_what_is_missing(
    stylize, fake, tmp_path, monkeypatch, code
):
    write, tried = stylize_job.write_whole, []

    def full(path, data):
        tried.append(path.name)
        if len(tried) == 1:
            write(path, data)
            return
        raise OSError(code, os.strerror(code), str(path))

    with monkeypatch.context() as patch:
        patch.setattr(stylize_job, "write_whole", full)
        exit_code, _, error = stylize()
    assert exit_code == 1
    assert tried == ["a_painting.png", "b_painting.png"]
    assert "the disk is full: 1 result is written, 1 is missing" in error
    assert "b_painting.png" in error
    assert "--resume" in error
    assert error.count("\n") == 1
    assert stylize("--resume")[0] == 0


@pytest.fixture
def paired(command, fake, pictures, tmp_path):
    """`paired(rows, *flags)`: pairs of a file, into the folder out."""

    def call(rows, *flags):
        lines = ["content,style,alpha,output"]
        for photo, alpha, name in rows:
            content = pictures / "photos" / photo
            lines.append(f"{content},{pictures / 'painting.png'},{alpha},{name}")
        (tmp_path / "rows.csv").write_text("\n".join(lines))
        given = ("stylize", "--pairs", tmp_path / "rows.csv", "-o", tmp_path / "out")
        return command(*given, *flags)

    return call


def test_pairs_of_a_file_go_on_each_with_its_own_strength(paired, results, monkeypatch):
    rows = [("a.png", 1, "x.png"), ("a.png", 0.5, "y.png"), ("b.jpg", 1, "z.png")]
    with monkeypatch.context() as patch:
        stop_after(2, patch)
        assert paired(rows)[0] == 130
    before = results()
    assert len(before) == 2
    code, said, error = paired(rows, "--resume")
    assert (code, len(said.split())) == (0, 1)
    assert "2 of 3 results are complete" in error
    assert before.items() < results().items()
    code, said, error = paired(rows, "--resume")
    assert (code, said) == (0, "")
    assert "3 of 3 results are complete" in error
    code, said, _ = paired(rows, "--resume", "--json")
    assert json.loads(said.splitlines()[-1])["summary"]["skipped"] == 3
    rows[1] = ("a.png", 0.25, "y.png")
    error = paired(rows, "--resume")[2]
    assert "alpha: was 0.5, now 0.25" in error
    assert paired([*rows[::2], ("b.jpg", 1, "new.png")], "--resume")[0] == 0
    assert set(results()) == {"x.png", "y.png", "z.png", "new.png"}


def test_pairs_by_zip_go_on(command, fake, pictures, results, tmp_path, monkeypatch):
    photos = [pictures / "photos" / name for name in ("a.png", "b.jpg")]
    styles = [pictures / "painting.png", pictures / "arts" / "s.png"]
    given = ("stylize", *photos, "--style", *styles, "--pairs", "zip")
    out = ("-o", tmp_path / "out")
    with monkeypatch.context() as patch:
        stop_after(1, patch)
        assert command(*given, *out)[0] == 130
    code, said, error = command(*given, *out, "--resume")
    assert (code, said) == (0, f"{tmp_path / 'out' / 'b_s.png'}\n")
    assert "1 of 2 results are complete" in error
    swapped = ("stylize", *photos, "--style", *styles[::-1], "--pairs", "zip")
    assert command(*swapped, *out, "--resume")[0] == 0  # others, by other names
    assert len(results()) == 4


@pytest.fixture
def sheet(command, fake, pictures, tmp_path):
    """`sheet(*flags)`: two photographs in two paintings."""
    given = ("sheet", pictures / "photos", "--style", pictures / "painting.png")
    given += ("--style", pictures / "arts", "-o", tmp_path / "page.png")
    return lambda *flags: command(*given, "--cell", 32, *flags)


def test_a_stopped_page_goes_on_with_its_pictures(sheet, tmp_path, monkeypatch):
    assert sheet()[0] == 0
    whole = (tmp_path / "page.png").read_bytes()
    assert not list(tmp_path.glob("*.cells"))
    (tmp_path / "page.png").unlink()
    with monkeypatch.context() as patch:
        stop_after(3, patch)
        assert sheet()[0] == 130
    assert not (tmp_path / "page.png").exists()
    assert "alpha: was 1.0, now 0.5" in sheet("--resume", "--alpha", 0.5)[2]
    calls = []
    call = FakeStylizer.run
    monkeypatch.setattr(
        FakeStylizer, "run", lambda *a, **k: calls.append(0) or call(*a, **k)
    )
    code, _, error = sheet("--resume")
    assert (code, len(calls)) == (0, 1)
    assert "3 of 4 results are complete" in error
    assert (tmp_path / "page.png").read_bytes() == whole
    code, _, error = sheet("--resume")
    assert (code, len(calls)) == (0, 1)
    assert "page.png is complete" in error
    assert "alpha" in sheet("--resume", "--alpha", 0.5)[2]


def test_a_page_without_resume_begins_anew(sheet, monkeypatch):
    with monkeypatch.context() as patch:
        stop_after(3, patch)
        sheet()
    calls, call = [], FakeStylizer.run
    monkeypatch.setattr(
        FakeStylizer, "run", lambda *a, **k: calls.append(0) or call(*a, **k)
    )
    assert sheet("--alpha", 0.5)[0] == 0
    assert len(calls) == 4
