import json
import shutil

import jax
import numpy as np
import pytest
from PIL import Image

from styleflax.evaluation import runner, scoring
from styleflax.evaluation.metrics.style import lab_histogram_distance
from styleflax.evaluation.rows import read_rows, row_key
from styleflax.evaluation.runner import Options, evaluate
from styleflax.images.files import load_image_u8, to_float

OPTIONS = Options(size_px=64, alphas=(0.5, 1.0))
COMPILED = "/jax/core/compile/backend_compile_duration"


class Recorded:
    """An evaluation, and how many programs were compiled when each row was done."""

    def __init__(self, result, out, compiled):
        self.result, self.out, self.compiled = result, out, compiled


@pytest.fixture(scope="module")
def recorded(folders, model_path, tmp_path_factory):
    compiled, after_row = [], []

    def count(event, duration, **_):
        if event == COMPILED:
            compiled.append(event)

    def append(out, rows, append=scoring.append_rows):
        append(out, rows)
        after_row.append(len(compiled))

    jax.monitoring.register_event_duration_secs_listener(count)
    out = tmp_path_factory.mktemp("out") / "results"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(scoring, "append_rows", append)
        result = evaluate([str(model_path)], *folders, out, OPTIONS)
    return Recorded(result, out, after_row)


@pytest.fixture
def no_report(monkeypatch):
    monkeypatch.setattr(runner, "write_report", lambda out, *_, **__: out)


def pairs_of(rows, system, alpha=None):
    return [row for row in rows if (row.kind, *row[1:3]) == ("pair", system, alpha)]


def test_every_system_is_scored_on_every_pair(recorded):
    rows = recorded.result.rows
    every = [(content, style) for content in "ab" for style in "st"]
    models = [("untrained", 0.5), ("untrained", 1.0)]
    for key in [*models, ("content", None), ("style", None), ("coral", None)]:
        assert [(r.content, r.style) for r in pairs_of(rows, *key)] == every
    identity = [(r.alpha, r.content, r.style) for r in rows if r.kind == "identity"]
    assert identity == [(alpha, name, name) for name in "ab" for alpha in (0.5, 1.0)]
    assert len(rows) == 24
    assert read_rows(recorded.out) == rows


def test_nothing_compiles_after_the_first_pair_of_all_systems(recorded):
    systems = 5
    first = recorded.result.rows[: 2 + systems]
    assert {(r.content, r.style) for r in first[2:]} == {("a", "s")}
    assert recorded.compiled[0] > 0
    assert set(recorded.compiled[len(first) - 1 :]) == {recorded.compiled[-1]}


def test_pictures_kept_are_those_that_were_scored(recorded, folders):
    (row,) = (
        r
        for r in pairs_of(recorded.result.rows, "untrained", 0.5)
        if (r.content, r.style) == ("b", "t")
    )
    assert row.picture == "pictures/untrained/alpha-0.50/b__t.png"
    picture = to_float(load_image_u8(recorded.out / row.picture))
    style = to_float(load_image_u8(recorded.out / "inputs" / "style" / "t.png"))
    expected = lab_histogram_distance(picture, style)[0]
    assert row.values["lab_distance"] == pytest.approx(expected)


def test_every_row_names_a_picture_in_the_folder(recorded):
    for row in recorded.result.rows:
        with Image.open(recorded.out / row.picture) as picture:
            assert picture.size == (64, 64)


def test_losses_are_there_where_they_are_as_trained(recorded):
    rows = recorded.result.rows
    for row in rows:
        trained = (row.kind, row.system, row.alpha) == ("pair", "untrained", 1.0)
        assert ("style_loss" in row.values) == trained
        assert ("seconds" in row.values) == (row in pairs_of(rows, *row[1:3])) * (
            row.system == "untrained"
        )


def test_baselines_show_what_the_numbers_are_worth(recorded):
    rows = recorded.result.rows
    for row in pairs_of(rows, "content"):
        assert row.values["lpips_alexnet"] == pytest.approx(0.0, abs=1e-6)
    for row in pairs_of(rows, "style"):
        assert row.values["gram_vgg16"] == pytest.approx(0.0, abs=1e-6)
    mean = {
        name: np.mean([r.values["lab_distance"] for r in pairs_of(rows, name)])
        for name in ("content", "coral")
    }
    assert mean["coral"] < mean["content"]


def test_report_is_written_beside_the_rows(recorded):
    assert recorded.result.report == recorded.out / "report.html"
    written = json.loads((recorded.out / "results.json").read_text("utf-8"))
    assert {system["system"] for system in written["systems"]} == {
        *("untrained", "content", "style", "coral")
    }
    assert recorded.result.notes == [
        "without ms_ssim: they need 176 px, and pictures have 64"
    ]


def test_a_killed_evaluation_goes_on_with_what_is_missing(
    recorded, folders, model_path, tmp_path, monkeypatch, no_report
):
    out = shutil.copytree(recorded.out, tmp_path / "out")
    path = out / "rows.jsonl"
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join([*lines[:-2], lines[-2][:50]]))
    made = []

    def append(out, rows, append=scoring.append_rows):
        made.extend(map(row_key, rows))
        append(out, rows)

    monkeypatch.setattr(scoring, "append_rows", append)
    rows = evaluate([str(model_path)], *folders, out, OPTIONS).rows
    assert made == [row_key(row) for row in recorded.result.rows[-2:]]
    for row, expected in zip(rows, recorded.result.rows, strict=True):
        assert row._replace(values={}) == expected._replace(values={})
        assert row.values == pytest.approx(expected.values, rel=1e-5)
    with pytest.raises(ValueError, match=r"other settings \(size_px\).*--overwrite"):
        evaluate([], *folders, out, OPTIONS._replace(size_px=32))


def test_our_pictures_as_another_programs_have_the_same_numbers(
    recorded, folders, tmp_path, no_report
):
    out = shutil.copytree(recorded.out, tmp_path / "out")
    folder = recorded.out / "pictures" / "untrained" / "alpha-1.00"
    options = OPTIONS._replace(outputs=(("copy", folder),), baselines=False)
    rows = evaluate([], *folders, out, options).rows
    ours = pairs_of(recorded.result.rows, "untrained", 1.0)
    for row, expected in zip(rows, ours, strict=True):
        assert (row.system, row.alpha) == ("copy", None)
        own = {"seconds", "peak_mb", "content_loss", "style_loss"}
        values = {k: v for k, v in expected.values.items() if k not in own}
        assert row.values == pytest.approx(values, rel=1e-4, abs=1e-6)
        assert (out / row.picture).resolve() == (recorded.out / expected.picture)
    assert len(read_rows(out)) == 24 + 4


def test_fewer_pairs_without_pictures(folders, tmp_path, no_report):
    options = Options(size_px=32, networks=(), num_pairs=2, keep_pictures=False)
    rows = evaluate([], *folders, tmp_path / "out", options).rows
    assert [(r.content, r.style) for r in pairs_of(rows, "coral")] == [
        *(("a", "s"), ("b", "t"))
    ]
    assert {row.picture for row in rows} == {""}
    assert {p.name for p in (tmp_path / "out").iterdir()} == {
        *("rows.jsonl", "settings.json")
    }
    with pytest.raises(ValueError, match="require --keep-pictures"):
        evaluate(
            [], *folders, tmp_path, options._replace(inception=tmp_path / "inception")
        )


def test_sets_are_measured_from_the_pictures(folders, tmp_path, monkeypatch, no_report):
    from styleflax.evaluation import set_metrics as sets

    seen = {}

    def make_score_set(styles, inception, art_inception):
        seen["styles"] = len(list(styles))
        return lambda made, lpips: {"fid": float(np.mean([x.mean() for x in made]))}

    monkeypatch.setattr(sets, "make_score_set", make_score_set)
    options = Options(size_px=32, networks=(), inception=tmp_path / "inception")
    result = evaluate([], *folders, tmp_path / "out", options)
    assert seen["styles"] == 2
    expected = [
        to_float(load_image_u8(tmp_path / "out" / r.picture)).mean()
        for r in pairs_of(result.rows, "coral")
    ]
    assert result.sets["coral", None] == {"fid": pytest.approx(np.mean(expected))}
    assert set(result.sets) == {("content", None), ("style", None), ("coral", None)}
    fewer = options._replace(num_pairs=3)
    evaluate([], *folders, tmp_path / "out", fewer)
    assert seen["styles"] == 3  # one of them twice, as pairs have it
    with pytest.raises(ValueError, match="at least 2 pairs"):
        evaluate([], *folders, tmp_path / "out", options._replace(num_pairs=1))
