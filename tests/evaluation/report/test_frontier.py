import pytest

from styleflax.evaluation.report.frontier import (
    Point,
    compare_curves,
    interpolate_gram,
    match_up,
)
from styleflax.evaluation.report.summary import summarize
from styleflax.evaluation.rows import Row

CURVE = [Point(0.0, 0.1, 1.0), Point(0.5, 0.3, 0.6), Point(1.0, 0.5, 0.5)]


def test_style_error_between_points_lies_on_the_line():
    assert interpolate_gram(CURVE, 0.2) == pytest.approx(0.8)
    assert interpolate_gram(CURVE, 0.45) == pytest.approx(0.525)
    assert interpolate_gram(CURVE, 0.3) == 0.6


def test_a_curve_that_does_not_get_there_has_no_style_error():
    assert interpolate_gram(CURVE, 0.05) is None
    assert interpolate_gram(CURVE, 0.51) is None
    assert interpolate_gram([], 0.2) is None
    assert interpolate_gram(CURVE[:1], 0.2) is None


def test_of_several_passages_the_least_counts():
    turning = [*CURVE, Point(1.5, 0.1, 0.2)]
    assert interpolate_gram(turning, 0.3) == pytest.approx(0.35)


def test_points_of_equal_content_error_divide_nothing_by_zero():
    assert interpolate_gram([Point(0.0, 0.2, 0.9), Point(1.0, 0.2, 0.7)], 0.2) == 0.7


def test_better_points_have_less_style_error_at_no_more_content_error():
    other = [Point(0.5, 0.3, 0.7), Point(1.0, 0.6, 0.45), Point(None, 0.05, 2.0)]
    first, second, third = compare_curves(CURVE, other)
    assert first.gram_at_equal_lpips == 0.6
    assert [point.strength for point in first.better] == [0.5]
    assert second.gram_at_equal_lpips is None
    assert second.better == ()
    assert (third.gram_at_equal_lpips, third.better) == (None, ())


def test_an_equal_point_is_not_better():
    assert compare_curves(CURVE, CURVE)[1].better == ()


def _row(system, alpha, lpips, vgg16, alexnet=None):
    values = {"lpips_alexnet": lpips, "gram_vgg16": vgg16}
    if alexnet is not None:
        values["gram_alexnet"] = alexnet
    return Row("pair", system, alpha, "c", "s", values)


def test_every_two_systems_meet_on_all_networks():
    rows = [
        _row("adain", 0.5, 0.3, 0.5, 0.9),
        _row("adain", 1.0, 0.4, 0.4, 0.8),
        _row("lite@0.5", None, 0.4, 0.6, 0.8),
        _row("lite@1", None, 0.5, 0.3, 0.2),
        _row("content", None, 0.0, 2.0, 2.0),
    ]
    found = match_up(summarize(rows, {}), "lpips_alexnet")
    assert [(m.curve, m.other) for m in found] == [("adain", "lite"), ("lite", "adain")]
    ours = found[0]
    first, second = ours.by_gram["gram_vgg16"]
    assert first.point == Point(0.5, 0.4, 0.6)
    assert first.gram_at_equal_lpips == pytest.approx(0.4)
    assert [point.strength for point in first.better] == [0.5, 1.0]
    assert second.better == ()
    # On AlexNet, strength 0.5 is worse than the point and strength 1 as good.
    assert ours.on_all == [(1.0,), ()]


def test_systems_without_a_network_are_compared_on_the_others():
    rows = [_row("a", 1.0, 0.3, 0.5), _row("b", 1.0, 0.3, 0.6)]
    found = match_up(summarize(rows, {}), "lpips_alexnet")
    assert found[0].by_gram.keys() == {"gram_vgg16"}
    assert found[0].on_all == [(1.0,)]


def test_without_lpips_nothing_is_compared():
    rows = [_row("a", 1.0, 0.3, 0.5), _row("b", 1.0, 0.3, 0.6)]
    assert match_up(summarize(rows, {}), "lpips_vgg16") == []
