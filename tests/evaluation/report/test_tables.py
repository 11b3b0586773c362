import csv
import json

import numpy as np
import pytest

from styleflax.evaluation.report.formatting import (
    ABSENT,
    Cell,
    Table,
    build_tables,
    choose_decimals,
    format_number,
    render_markdown,
)
from styleflax.evaluation.report.frontier import build_matchup_tables, match_up
from styleflax.evaluation.report.summary import summarize
from styleflax.evaluation.rows import Row


def _refuse(literal):
    raise AssertionError(f"{literal} is no JSON")


@pytest.fixture(scope="module")
def results(out):
    text = (out / "results.json").read_text("utf-8")
    return json.loads(text, parse_constant=_refuse)


def test_numbers_of_the_json_are_numpys_means(results, rows):
    for system in results["systems"]:
        own = [
            row.values
            for row in rows
            if row.kind == "pair"
            and (row.system, row.alpha) == (system["system"], system["alpha"])
        ]
        for metric in ("gram_vgg16", "gram_alexnet", "lpips_alexnet", "blobs"):
            mean = system["values"][metric]
            expected = np.mean([values[metric] for values in own])
            assert mean["mean"] == pytest.approx(expected, rel=1e-12)
            assert mean["low"] <= mean["mean"] + 1e-12
            assert mean["high"] >= mean["mean"] - 1e-12
        assert system["num_pairs"] == 4


def test_json_has_identity_and_numbers_of_the_set(results):
    (ours,) = [
        s for s in results["systems"] if (s["system"], s["alpha"]) == ("adain", 1.0)
    ]
    assert ours["identity"]["lpips_alexnet"]["mean"] == 0.125
    assert ours["set"] == {"fid": 12.5}


def test_what_is_not_finite_is_null_or_absent_in_the_json(results):
    assert results["settings"]["nan"] is None
    half = results["systems"][0]
    assert "ssim" not in half["values"]
    assert half["values"]["ms_ssim"] == {
        "mean": 0.25,
        "low": 0.25,
        "high": 0.25,
        "num_values": 1,
    }


def test_outputs_of_several_strengths_are_one_curve_in_the_json(results):
    lite = [s for s in results["systems"] if s["system"].startswith("lite")]
    assert len({s["curve"] for s in lite}) == 1
    assert [s["strength"] for s in lite] == [0.5, 1.0]
    assert {m["other"] for m in results["at_equal_lpips"]} == {
        "adain",
        lite[0]["curve"],
    }


def test_csv_has_a_line_for_each_pair_and_gaps_are_empty(out, rows):
    with (out / "pairs.csv").open(encoding="utf-8", newline="") as file:
        lines = list(csv.DictReader(file))
    pairs = [row for row in rows if row.kind == "pair"]
    assert len(lines) == len(pairs)
    for line, row in zip(lines, pairs, strict=True):
        assert (line["system"], line["content"]) == (row.system, row.content)
        assert float(line["gram_vgg16"]) == row.values["gram_vgg16"]
    assert lines[0]["ms_ssim"] == ""
    assert float(lines[1]["ms_ssim"]) == 0.25


def test_contents_that_were_their_own_style_have_a_csv_of_their_own(out):
    with (out / "identity.csv").open(encoding="utf-8", newline="") as file:
        lines = list(csv.DictReader(file))
    expected = {
        **{
            "system": "adain",
            "alpha": "1.0",
            "content": "a boat",
            "picture": "made.png",
        },
        **{"psnr": "", "lpips_alexnet": "0.125"},
    }
    assert lines == [expected]


@pytest.mark.parametrize(
    ("values", "decimals"),
    [([0.5], 3), ([1.25, 0.1], 3), ([25.0], 2), ([1234.5], 0), ([0.0], 3), ([5e-4], 6)],
)
def test_columns_have_as_many_decimals_as_they_need(values, decimals):
    assert choose_decimals(values) == decimals


def test_absent_numbers_are_dashes():
    assert format_number(None, 3) == format_number(float("nan"), 3) == ABSENT
    assert format_number(0.5, 3) == "0.500"


def test_the_best_of_a_column_is_marked_and_baselines_are_not(make_rows):
    rows = make_rows("a", 1.0, 0.5) + make_rows("b", 1.0, 0.7)
    rows += make_rows("style", None, 0.0)
    table = build_tables(summarize(rows, {}))["main"]
    column = [head for head, _ in table.heads].index("Gram VGG-16 ↓")
    assert [row[column].is_best for row in table.rows] == [True, False, False]


def test_shares_are_percent(make_rows):
    table = build_tables(summarize(make_rows("a", 1.0, 0.45), {}))["artifacts"]
    assert table.rows[0][-1].text == "50.0 %"


def test_a_metric_nobody_knows_is_shown(make_rows):
    table = build_tables(summarize(make_rows("a", 1.0, 0.45), {}))["other"]
    assert table.heads[-1][0] == "unheard of"
    assert table.rows[0][-1].text == "7.000"


def test_markdown_shows_names_as_they_are():
    row = [Cell("a|b_c"), Cell("<i>"), Cell("0.5", "", is_best=True)]
    table = Table("x", [("system", ""), ("y", ""), ("z", "")], [row])
    assert render_markdown([table]).splitlines() == [
        "### x",
        "",
        "| system | y | z |",
        "|---|---|---:|",
        r"| a\|b\_c | \<i\> | **0.5** |",
    ]


def test_markdown_shows_the_intervals_of_the_columns_named_and_no_others():
    row = [Cell("a"), Cell("1"), Cell("0.5", "0.4 to 0.6", is_best=True), Cell("0", "")]
    row.append(Cell("3", "2 to 4"))
    heads = [(name, "") for name in "abcde"]
    text = render_markdown([Table("x", heads, [row], frozenset({2, 3}))])
    assert text.splitlines()[-1] == "| a | 1 | **0.5** (0.4 to 0.6) | 0 | 3 |"


def test_headline_numbers_of_all_systems_come_with_their_intervals(out, results):
    lines = (out / "results.md").read_text("utf-8").splitlines()
    line = next(line for line in lines if line.startswith("| adain | 0.5 | 4 |"))
    value = results["systems"][0]["values"]["gram_vgg16"]
    interval = f"({value['low']:.3f} to {value['high']:.3f})"
    assert f"| {value['mean']:.3f} {interval} |" in line
    assert line.count(" to ") == 3  # both networks' Gram and LPIPS, not MS-SSIM


def test_points_at_equal_lpips_are_shown_by_both_networks():
    def row(system, lpips, gram):
        values = {
            "lpips_alexnet": lpips,
            "lpips_vgg16": lpips + 0.1,
            "gram_vgg16": gram,
        }
        return Row("pair", system, 1.0, "c", "s", values)

    summaries = summarize([row("a", 0.3, 0.5), row("b", 0.3, 0.6)], {})
    matchups = [
        matchup
        for lpips in ("lpips_alexnet", "lpips_vgg16")
        for matchup in match_up(summaries, lpips)
    ]
    ours, theirs = build_matchup_tables(matchups)
    assert ours.title == (
        "a against the points of b, at equal LPIPS AlexNet and LPIPS VGG-16"
    )
    assert [[cell.text for cell in row] for row in ours.rows] == [
        ["LPIPS AlexNet", "1", "0.300", "0.600", "0.500", "1"],
        ["LPIPS VGG-16", "1", "0.400", "0.600", "0.500", "1"],
    ]
    assert {len(row) for row in theirs.rows} == {len(theirs.heads)}


def test_markdown_file_has_every_system(out):
    text = (out / "results.md").read_text("utf-8")
    assert "| adain | 0.5 | 4 |" in text
    assert "<script>" not in text
