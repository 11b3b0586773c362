import dataclasses
import math

import pytest

from styleflax.config import Config, Phase, Schedule
from styleflax.training.phases import (
    build_method,
    phase_starts,
    remaining_phases,
    validate,
)

PHASES = (Phase(steps=3), Phase(steps=5), Phase(steps=2))


def changed(name, value):
    """The default configuration with one field changed."""
    config = Config()
    *path, field = name.split(".")
    part = config
    for step in path:
        part = part.phases[0] if step == "phases[0]" else getattr(part, step)
    assert field in {f.name for f in dataclasses.fields(part)}
    setattr(part, field, value)
    return config


def test_the_default_is_valid():
    config = Config()
    assert validate(config) is config


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("compute_dtype", "float64"),
        ("seed", -1),
        ("arithmetic.ddof", 2),
        ("arithmetic.eps", 0.0),
        ("arithmetic.eps", math.nan),
        ("arithmetic.reduction", "sum"),
        ("encoder.statistic", "max"),
        ("encoder.num_images", 0),
        ("optimizer.kind", "sgd"),
        ("optimizer.beta1", 1.0),
        ("optimizer.beta2", -0.1),
        ("optimizer.ema", 1.0),
        ("optimizer.ema", -0.1),
        ("optimizer.clip_norm", -1.0),
        ("optimizer.clip_norm", math.nan),
        ("optimizer.accumulate_steps", 0),
        ("optimizer.max_nonfinite_steps", 0),
        ("run.parallel", "vmap"),
        ("run.num_devices", -1),
        ("run.num_workers", -1),
        ("run.num_threads", 0),
        ("run.log_every_steps", 0),
        ("run.checkpoint_every_steps", 0),
        ("run.keep_checkpoints", 0),
        ("run.sample_every_steps", -1),
        ("run.num_samples", 0),
        ("run.score_every_steps", -1),
        ("run.num_scored", 0),
        ("run.score_px", 56),
        ("run.score_px", 100),
        ("data.validation_share", 1.0),
        ("data.validation_share", -0.1),
        ("phases[0].steps", 0),
        ("phases[0].color_match", 1.5),
        ("phases[0].color_match", -0.1),
        ("phases[0].batch_size", 0),
        ("phases[0].crop_px", 8),
        ("phases[0].crop_px", 60),
        ("phases[0].resize_px", 255),
        ("phases[0].schedule.kind", "step"),
        ("phases[0].schedule.learning_rate", 0.0),
        ("phases[0].schedule.learning_rate", math.inf),
        ("phases[0].schedule.decay", -1.0),
        ("phases[0].schedule.decay", math.nan),
        ("phases[0].schedule.warmup_steps", -1),
        ("phases[0].schedule.warmup_steps", 160_000),
    ],
)
def test_an_impossible_value_is_refused_by_name(name, value):
    with pytest.raises(ValueError, match="must be") as refused:
        validate(changed(name, value))
    assert name in str(refused.value)
    assert str(value) in str(refused.value)


def test_a_rule_of_names_is_checked():
    with pytest.raises(ValueError, match=r"data.validation_names: .* got 'a_\[5'"):
        validate(changed("data.validation_names", "a_[5"))


def test_scores_need_validation_pictures():
    with pytest.raises(ValueError, match=r"data\.validation_share must be above 0"):
        validate(changed("run.score_every_steps", 100))


def test_the_color_step_is_refused_for_methods_that_do_not_train_with_it():
    phase = Phase(losses={"content": 1.0, "style": 1.0}, color_match=0.5)
    build_method(Config(), phase)
    with pytest.raises(ValueError, match="color_match must be 0 for 'sanet'"):
        build_method(Config(method="sanet"), phase)
    with pytest.raises(ValueError, match=r"options \['color_match'\] unknown"):
        build_method(Config(options={"color_match": 1.0}), phase)


def test_a_run_needs_a_phase():
    with pytest.raises(ValueError, match="phases must hold at least one"):
        validate(Config(phases=()))


@pytest.mark.parametrize(
    "numbers",
    [
        {"every_steps": 0},
        {"decay": 0.0},
        {"decay": 1.5},
        {"decay": math.nan},
        {"decay": Schedule().decay},  # a rate of `inverse`, not a factor
    ],
)
def test_steps_need_a_length_and_a_factor(numbers):
    schedule = Schedule("steps", **{"decay": 0.8, "every_steps": 5, **numbers})
    with pytest.raises(ValueError, match=r"kind 'steps' needs a decay in \[0.01, 1\]"):
        validate(Config(phases=(Phase(schedule=schedule),)))


@pytest.mark.parametrize("decay", [0.01, 1.0])
def test_steps_may_keep_the_rate_or_a_hundredth_of_it(decay):
    schedule = Schedule("steps", decay=decay, every_steps=5)
    validate(Config(phases=(Phase(schedule=schedule),)))


def test_a_batch_splits_into_its_parts():
    config = Config(phases=(Phase(batch_size=6, schedule=Schedule("cosine")),))
    config.optimizer.accumulate_steps = 4
    with pytest.raises(ValueError, match=r"phases\[0\].batch_size .* \(4\), got 6"):
        validate(config)


def test_phases_follow_one_another():
    assert phase_starts(PHASES) == (0, 3, 8, 10)


def test_the_step_decides_which_phases_remain():
    def remaining(step):
        return [(i, start, end) for i, start, end, _ in remaining_phases(PHASES, step)]

    assert remaining(0) == [(0, 0, 3), (1, 3, 8), (2, 8, 10)]
    assert remaining(2) == remaining(0)
    assert remaining(3) == [(1, 3, 8), (2, 8, 10)]
    assert remaining(9) == [(2, 8, 10)]
    assert remaining(10) == []
