"""Validation of a configuration, its phases, and the method of each phase."""

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import jax

from styleflax import methods
from styleflax.config import Config, Phase, Schedule, flatten
from styleflax.datasets.manifest import name_rule
from styleflax.methods.base import Method, Variables
from styleflax.types import Key


def phase_starts(phases: Sequence[Phase]) -> tuple[int, ...]:
    """First step of every phase, and the end of the last."""
    starts = [0]
    for phase in phases:
        starts.append(starts[-1] + phase.steps)
    return tuple(starts)


def remaining_phases(
    phases: Sequence[Phase], step: int
) -> Iterator[tuple[int, int, int, Phase]]:
    """(index, start, end, phase) of every phase that is not over at `step`."""
    starts = phase_starts(phases)
    for index, phase in enumerate(phases):
        if step < starts[index + 1]:
            yield index, starts[index], starts[index + 1], phase


def build_method(config: Config, phase: Phase) -> Method:
    """The configured method, with the losses of one phase.

    Raises:
        ValueError: If the method does not have one of the losses, or the color step.
    """
    # Methods that are added to `METHODS` need not know `remat`.
    remat = {"remat": True} if config.run.remat else {}
    return methods.build(
        config.method,
        phase.losses,
        config.record_of_options(),
        arithmetic=config.arithmetic,
        dtype=config.compute_dtype,
        color_match=phase.color_match,
        **remat,
    )


def build_methods(config: Config) -> list[Method]:
    """The configured method as every phase trains it.

    All begin with the variables of all of them: a player that only a later phase
    trains (an adversarial loss's critic) waits until then.

    Raises:
        ValueError: As `build_method`.
    """
    by_phase = [build_method(config, phase) for phase in config.phases]

    def init(key: Key) -> Variables:
        first, *others = by_phase
        variables = first.init(key)
        players = dict(variables.players)
        for method in others:
            shapes = jax.eval_shape(method.init, key).players
            if all(shapes[k].keys() <= players.get(k, {}).keys() for k in shapes):
                continue
            for name, params in method.init(key).players.items():
                players[name] = {**params, **players.get(name, {})}
        return Variables(players, variables.state)

    return [method._replace(init=init) for method in by_phase]


def trained_players(config: Config) -> set[str]:
    """Names of the players without which the method makes no pictures.

    Those that only its losses need are not among them.
    """
    method = methods.build(
        config.method,
        options=config.record_of_options(),
        arithmetic=config.arithmetic,
    )
    return set(jax.eval_shape(method.init, jax.random.key(0)).players)


CHOICES: Mapping[str, tuple[Any, ...]] = {
    "compute_dtype": ("float32", "bfloat16"),
    "arithmetic.ddof": (0, 1),
    "arithmetic.reduction": ("channel_mean", "channel_sum"),
    "encoder.statistic": ("auto", "rms", "mean", "none"),
    "optimizer.kind": ("adam", "muon"),
    "run.parallel": ("pmap", "shard_map"),
    "run.distributed": ("", "auto"),
}
AT_LEAST: Mapping[str, float] = {
    "seed": 0,
    "arithmetic.style_eps": 0,
    "encoder.num_images": 1,
    "data.style_px": 0,
    "optimizer.clip_norm": 0,
    "optimizer.accumulate_steps": 1,
    "optimizer.max_nonfinite_steps": 1,
    "run.connect_timeout_s": 1,
    "run.heartbeat_timeout_s": 1,
    "run.num_devices": 0,
    "run.num_workers": 0,
    "run.num_threads": 1,
    "run.log_every_steps": 1,
    "run.checkpoint_every_steps": 1,
    "run.keep_checkpoints": 1,
    "run.sample_every_steps": 0,
    "run.num_samples": 1,
    "run.score_every_steps": 0,
    "run.num_scored": 1,
    "run.score_px": 64,
}


def validate(config: Config) -> Config:
    """Returns `config` if every field has an allowed value.

    Raises:
        ValueError: If a field has a value that is not allowed.
    """
    fields = flatten(config)
    for name, allowed in CHOICES.items():
        if fields[name] not in allowed:
            raise ValueError(f"{name} must be one of {allowed}, got {fields[name]!r}")
    for name, least in AT_LEAST.items():
        if not least <= fields[name] < math.inf:
            raise ValueError(f"{name} must be at least {least}, got {fields[name]}")
    for name in ("optimizer.beta1", "optimizer.beta2", "optimizer.ema"):
        if not 0 <= fields[name] < 1:
            raise ValueError(f"{name} must be in [0, 1), got {fields[name]}")
    if not 0 < config.arithmetic.eps < 1:
        raise ValueError(
            f"arithmetic.eps must be in (0, 1), got {config.arithmetic.eps}"
        )
    _validate_scoring(config)
    if not config.phases:
        raise ValueError("phases must hold at least one phase")
    for i, phase in enumerate(config.phases):
        _validate_phase(f"phases[{i}]", phase, config.optimizer.accumulate_steps)
    return config


def _validate_scoring(config: Config) -> None:
    data, run = config.data, config.run
    if not 0 <= data.validation_share < 1:
        raise ValueError(
            "data.validation_share must be at least 0 and below 1, "
            f"got {data.validation_share}"
        )
    if data.validation_names:
        try:
            name_rule(data.validation_names)
        except ValueError as error:
            raise ValueError(f"data.validation_names: {error}") from error
    if run.score_every_steps and not data.validation_share:
        raise ValueError(
            f"run.score_every_steps={run.score_every_steps} needs validation pictures: "
            "data.validation_share must be above 0, got 0"
        )
    if run.score_px % 8:
        raise ValueError(f"run.score_px must be a multiple of 8, got {run.score_px}")


def _validate_phase(name: str, phase: Phase, parts: int) -> None:
    if phase.steps < 1:
        raise ValueError(f"{name}.steps must be at least 1, got {phase.steps}")
    if phase.batch_size < 1 or phase.batch_size % parts:
        raise ValueError(
            f"{name}.batch_size must be a positive multiple of "
            f"optimizer.accumulate_steps ({parts}), got {phase.batch_size}"
        )
    if phase.crop_px < 16 or phase.crop_px % 8:
        raise ValueError(
            f"{name}.crop_px must be a multiple of 8, at least 16, got {phase.crop_px}"
        )
    if phase.resize_px < phase.crop_px:
        raise ValueError(
            f"{name}.resize_px must be at least crop_px, got {phase.resize_px}"
        )
    if not 0 <= phase.color_match <= 1:
        raise ValueError(
            f"{name}.color_match must be between 0 and 1, got {phase.color_match}"
        )
    _validate_schedule(name, phase.schedule, phase.steps)


def _validate_schedule(name: str, schedule: Schedule, steps: int) -> None:
    if schedule.kind not in ("inverse", "cosine", "steps"):
        raise ValueError(
            f"{name}.schedule.kind must be 'inverse', 'cosine' or 'steps', "
            f"got {schedule.kind!r}"
        )
    if schedule.kind == "steps":
        _validate_steps(name, schedule)
    if not 0 < schedule.learning_rate < math.inf:
        raise ValueError(
            f"{name}.schedule.learning_rate must be positive and finite, "
            f"got {schedule.learning_rate}"
        )
    if not 0 <= schedule.decay < math.inf:
        raise ValueError(
            f"{name}.schedule.decay must be at least 0, got {schedule.decay}"
        )
    if not 0 <= schedule.warmup_steps < max(steps, 1):
        raise ValueError(
            f"{name}.schedule.warmup_steps must be in [0, steps), "
            f"got {schedule.warmup_steps}"
        )


def _validate_steps(name: str, schedule: Schedule) -> None:
    # The default decay is one of `inverse`, which as a factor would end all learning.
    if schedule.every_steps < 1 or not 0.01 <= schedule.decay <= 1:
        raise ValueError(
            f"{name}.schedule of kind 'steps' needs a decay in [0.01, 1], by which the "
            f"rate is multiplied, and every_steps of at least 1, got {schedule.decay} "
            f"and {schedule.every_steps}"
        )
