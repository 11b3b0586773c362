import json
import math

import pytest

from styleflax.evaluation.rows import (
    Row,
    append_rows,
    open_folder,
    read_rows,
    row_key,
)

FIRST = Row("pair", "adain", 0.5, "a", "ü s", {"ssim": 0.25}, "pictures/x.png")
SECOND = Row("identity", "content", None, "a", "a", {"psnr": math.inf})
SETTINGS = {
    "compared": {"size_px": 64},
    "digests": {"content": {"a": "1", "b": "2"}},
    "run": {"alphas": [0.5]},
}


def test_rows_come_back_as_written(tmp_path):
    append_rows(tmp_path, [FIRST])
    append_rows(tmp_path, [SECOND])
    first, second = read_rows(tmp_path)
    assert first == FIRST
    assert row_key(second) == row_key(SECOND)


def test_a_value_that_is_not_finite_is_null_on_disk_and_nan_in_memory(tmp_path):
    append_rows(tmp_path, [SECOND])
    line = json.loads((tmp_path / "rows.jsonl").read_text("utf-8"))
    assert line["values"] == {"psnr": None}
    assert math.isnan(read_rows(tmp_path)[0].values["psnr"])


@pytest.mark.parametrize("num_bytes", [1, 40, 1000])
def test_torn_last_line_is_dropped_and_the_next_row_is_whole(tmp_path, num_bytes):
    append_rows(tmp_path, [FIRST, SECOND])
    path = tmp_path / "rows.jsonl"
    size = max(1, path.stat().st_size - num_bytes)
    with path.open("r+b") as file:
        file.truncate(size)
    left = read_rows(tmp_path)
    assert left == [FIRST][: len(left)]
    append_rows(tmp_path, [FIRST._replace(content="c")])
    assert read_rows(tmp_path)[-1].content == "c"


def test_a_picture_scored_twice_counts_once(tmp_path):
    append_rows(tmp_path, [FIRST, FIRST._replace(values={})])
    assert read_rows(tmp_path) == [FIRST]


def test_damage_before_the_last_line_is_an_error(tmp_path):
    (tmp_path / "rows.jsonl").write_text('{"kind": "pair"}\n', "utf-8")
    with pytest.raises(ValueError, match="line 1"):
        read_rows(tmp_path)


def test_rows_under_the_same_settings_are_kept(tmp_path):
    assert open_folder(tmp_path / "out", SETTINGS) == []
    append_rows(tmp_path / "out", [FIRST])
    assert open_folder(tmp_path / "out", SETTINGS) == [FIRST]


def test_other_settings_are_refused_by_name(tmp_path):
    open_folder(tmp_path, SETTINGS)
    append_rows(tmp_path, [FIRST])
    other = {
        "compared": {"size_px": 96},
        "digests": {"content": {"a": "1", "b": "3"}},
    }
    with pytest.raises(ValueError, match=r"\(size_px, content b\).*--overwrite"):
        open_folder(tmp_path, other)
    assert read_rows(tmp_path) == [FIRST]
    assert open_folder(tmp_path, other, overwrite=True) == []
    assert open_folder(tmp_path, other) == []


def test_files_may_come_and_go_but_not_change(tmp_path):
    open_folder(tmp_path, SETTINGS)
    append_rows(tmp_path, [FIRST])
    more = {"content": {"a": "1", "c": "3"}, "weights": {"adain": "4"}}
    assert open_folder(tmp_path, {**SETTINGS, "digests": more}) == [FIRST]
    assert open_folder(tmp_path, SETTINGS | {"run": {}}) == [FIRST]
    for changed in ({"content": {"c": "0"}}, {"weights": {"adain": "0"}}):
        with pytest.raises(ValueError, match="other settings"):
            open_folder(tmp_path, {**SETTINGS, "digests": changed})


def test_overwriting_keeps_rows_of_the_same_settings(tmp_path):
    open_folder(tmp_path, SETTINGS)
    append_rows(tmp_path, [FIRST])
    assert open_folder(tmp_path, SETTINGS, overwrite=True) == [FIRST]


def test_damaged_settings_count_as_others(tmp_path):
    (tmp_path / "settings.json").write_text("{", "utf-8")
    with pytest.raises(ValueError, match="cannot be read"):
        open_folder(tmp_path, SETTINGS)
