import math

import numpy as np
import pytest

from styleflax.evaluation.report.summary import (
    list_gaps,
    mean_of,
    parse_strength,
    summarize,
)
from styleflax.evaluation.rows import Row


@pytest.mark.parametrize(
    ("system", "alpha", "expected"),
    [
        ("lite@0.75", None, ("lite", 0.75)),
        ("a@b@1", None, ("a@b", 1.0)),
        ("adain", 0.5, ("adain", 0.5)),
        ("adain@2", 0.5, ("adain@2", 0.5)),
        ("me@home", None, ("me@home", None)),
        ("x@nan", None, ("x@nan", None)),
        ("@1", None, ("@1", None)),
        ("coral", None, ("coral", None)),
    ],
)
def test_strength_is_what_stands_behind_the_at_sign(system, alpha, expected):
    assert parse_strength(system, alpha) == expected


def test_points_of_a_curve_come_by_strength_and_baselines_last(make_rows):
    rows = [
        *make_rows("content", None, 1.0),
        *make_rows("lite@10", None, 0.5),
        *make_rows("lite@2", None, 0.5),
        *make_rows("adain", 1.0, 0.5),
        *make_rows("adain", 0.0, 0.5),
    ]
    found = [(s.curve, s.strength, s.is_baseline) for s in summarize(rows, {})]
    assert found == [
        ("lite", 2.0, False),
        ("lite", 10.0, False),
        ("adain", 0.0, False),
        ("adain", 1.0, False),
        ("content", None, True),
    ]


def test_a_model_named_like_a_baseline_is_none(make_rows):
    (summary,) = summarize(make_rows("style", 1.0, 0.5), {})
    assert not summary.is_baseline


def test_mean_is_numpys_and_lies_in_its_interval(make_rows):
    rows = make_rows("adain", 1.0, 0.5)
    mean = mean_of(rows, "gram_vgg16")
    assert mean.mean == pytest.approx(np.mean([r.values["gram_vgg16"] for r in rows]))
    assert mean.low < mean.mean < mean.high
    assert mean.num_values == 4


def test_interval_of_a_grid_is_wider_than_that_of_pairs_drawn_alone():
    def rows(name):
        return [
            Row("pair", "m", 1.0, f"c{i}", name.format(i, j), {"ssim": i / 10})
            for i in range(6)
            for j in range(6)
        ]

    whole, parts = mean_of(rows("s{1}"), "ssim"), mean_of(rows("s{0}{1}"), "ssim")
    assert whole.mean == pytest.approx(parts.mean)
    # All of the spread is between contents, each of which stands in six pairs.
    assert whole.high - whole.low > 2 * (parts.high - parts.low)


def test_values_that_are_not_finite_are_left_out_and_told():
    rows = [
        Row("pair", "m", 1.0, "c", "s", {"ssim": 0.5}),
        Row("pair", "m", 1.0, "c", "t", {"ssim": math.nan}),
        Row("pair", "m", 1.0, "d", "s", {"cfsd": math.inf}),
    ]
    (summary,) = summarize(rows, {})
    assert summary.values["ssim"].mean == 0.5
    assert "cfsd" not in summary.values
    assert summary.num_pairs == 3
    assert list_gaps([summary])[1:] == [
        "m at 1: means exclude pairs without a finite value: ssim (2)."
    ]


def test_systems_on_fewer_pairs_are_told(make_rows):
    rows = make_rows("a", 1.0, 0.5) + make_rows("b", 1.0, 0.5)[:3]
    fewer, narrow = list_gaps(summarize(rows, {}))
    assert "all 4 pairs" in fewer
    assert "b at 1 (3)" in fewer
    assert "intervals treat pairs" in narrow
    assert list_gaps(summarize(make_rows("a", 1.0, 0.5), {})) == []


def test_identity_rows_do_not_count_as_pairs():
    rows = [
        Row("pair", "m", 1.0, "c", "s", {"lpips_vgg16": 0.5}),
        Row("identity", "m", 1.0, "c", "c", {"lpips_vgg16": 0.1, "psnr": 30.0}),
    ]
    (summary,) = summarize(rows, {("m", 1.0): {"fid": 9.0, "art_fid": math.nan}})
    assert summary.values["lpips_vgg16"].mean == 0.5
    assert summary.identity["psnr"].mean == 30.0
    assert (summary.num_pairs, summary.num_identity) == (1, 1)
    assert summary.whole == {"fid": 9.0}
