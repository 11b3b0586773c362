"""The training loop."""

import contextlib
import logging
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple, cast

import jax
import numpy as np
import optax
from tqdm import tqdm

from styleflax.config import Config, Phase
from styleflax.data.images import save_image
from styleflax.methods.base import Batch, Method, Variables
from styleflax.parallel import check_divides, local_devices, map_step, replicate
from styleflax.training.build import build_method
from styleflax.training.checkpoint import Checkpoints
from styleflax.training.environment import (
    describe_environment,
    request_determinism,
    warn_of_differences,
)
from styleflax.training.feed import (
    Sources,
    open_sources,
    phase_batches,
    sample_batch,
)
from styleflax.training.frozen import open_encoder, start_from
from styleflax.training.metric_writer import MetricWriter
from styleflax.training.optimizer import make_optimizer, make_schedule
from styleflax.training.phases import phase_starts, remaining_phases
from styleflax.training.signals import StopRequest, stop_on_signals
from styleflax.training.state import TrainState, create_state
from styleflax.training.step import make_train_step
from styleflax.training.validation import validate
from styleflax.training.workdir import open_workdir
from styleflax.types import Params
from styleflax.weights.store import model_digest

logger = logging.getLogger(__name__)
MakeSampler = Callable[[Method], Callable[[Variables, Params, Batch], np.ndarray]]
"""From a method, `draw(variables, frozen, batch)` -> picture (h, w, 3), uint8."""


class TrainingDivergedError(RuntimeError):
    """Too many steps in a row gave a loss or gradient that is not finite."""


class Run(NamedTuple):
    """What stays the same throughout a run."""

    config: Config
    workdir: Path
    devices: Sequence[jax.Device]
    sources: Sources
    optimizer: optax.GradientTransformation
    frozen: Params
    checkpoints: Checkpoints
    writer: MetricWriter
    notes: dict[str, Any]
    make_sampler: MakeSampler | None


def train(
    config: Config, workdir: Path, make_sampler: MakeSampler | None = None
) -> TrainState:
    """Trains until the last phase ends or a signal asks to stop; resumes by itself.

    Args:
        config: Of the run.
        workdir: Holds all of it: configuration, encoder, checkpoints, metrics,
            samples.
        make_sampler: Draws how far training has come; see `MakeSampler`.

    Returns:
        The state that was reached, which is also in the newest checkpoint.

    Raises:
        ValueError: If the configuration is impossible, or the workdir belongs
            to another one.
        TrainingDivergedError: If the loss stays not finite.
    """
    validate(config)
    if config.run.deterministic:
        request_determinism()
    methods = [build_method(config, phase) for phase in config.phases]
    devices = local_devices(config.run.num_devices)
    for i, phase in enumerate(config.phases):
        parts = len(devices) * config.optimizer.accumulate_steps
        check_divides(phase.batch_size, parts, f"phases[{i}].batch_size")
    open_workdir(workdir, config)
    sources = open_sources(config)
    encoder = open_encoder(config, methods[0].encoder_layers, workdir, sources)
    optimizer = make_optimizer(config.optimizer)
    environment = describe_environment(devices, config.run.parallel)
    notes = {"environment": environment, "encoder": model_digest(encoder)}
    checkpoints = Checkpoints(workdir / "checkpoints", config.run.keep_checkpoints)
    # Signals are taken until the last checkpoint is on disk.
    with stop_on_signals() as stop, contextlib.closing(checkpoints):
        state = create_state(methods[0], optimizer, config.seed)
        state = _restore(checkpoints, state, notes) or _start(config, state)
        writer = MetricWriter(
            workdir, int(state.step) + 1, tensorboard=config.run.tensorboard
        )
        frozen = replicate({"encoder": encoder.encoder_params}, devices)
        run = Run(config, workdir, devices, sources, optimizer, frozen, checkpoints,
                  writer, notes, make_sampler)  # fmt: skip
        with contextlib.closing(writer):
            state = _run_phases(run, replicate(state, devices), stop)
    return state


def _restore(
    checkpoints: Checkpoints, template: TrainState, notes: dict[str, Any]
) -> TrainState | None:
    restored = checkpoints.restore_newest(template)
    if restored is None:
        return None
    state, old_notes = restored
    if old_notes["encoder"] != notes["encoder"]:
        raise ValueError(
            "the workdir's encoder is not the one its checkpoints were trained with"
        )
    warn_of_differences(old_notes["environment"], notes["environment"])
    logger.info("resuming after step %d", int(state.step))
    return cast(TrainState, state)


def _start(config: Config, state: TrainState) -> TrainState:
    if not config.init_from:
        return state
    variables = start_from(config.init_from, config.method, state.variables)
    return state._replace(variables=variables)


def _run_phases(run: Run, state: TrainState, stop: StopRequest) -> TrainState:
    total = phase_starts(run.config.phases)[-1]
    first = int(state.step)
    with tqdm(total=total, initial=first, unit="step", dynamic_ncols=True) as bar:
        for index, start, end, phase in remaining_phases(run.config.phases, first):
            bar.set_description(f"phase {index + 1}/{len(run.config.phases)}")
            state = _run_phase(run, state, stop, bar, index, start, end, phase)
            if stop:
                logger.warning("stopped by %s; run again to go on", stop.name)
                break
    return state


def _run_phase(
    run: Run,
    state: TrainState,
    stop: StopRequest,
    bar: tqdm,
    index: int,
    start: int,
    end: int,
    phase: Phase,
) -> TrainState:
    every, total = run.config.run, phase_starts(run.config.phases)[-1]
    method = build_method(run.config, phase)
    step = _make_step(run, method, phase, start)
    draw = run.make_sampler(method) if run.make_sampler else None
    first = int(state.step)
    if first == start:  # every phase begins with a fresh optimiser
        fresh = {k: run.optimizer.init(p) for k, p in state.variables.players.items()}
        state = state._replace(opt_state=replicate(fresh, run.devices))
    pending: list[tuple[int, dict[str, jax.Array]]] = []
    batches = phase_batches(run.config, run.sources, index, first - start)
    for done in range(first + 1, end + 1):
        state, metrics = step(state, run.frozen, next(batches))
        if run.devices[0].platform == "cpu":
            # Virtual CPU devices dead-lock when steps pile up (before jax 0.12).
            jax.block_until_ready(metrics)
        pending.append((done, metrics))
        bar.update()
        last = done == end or bool(stop)
        saves = last or done % every.checkpoint_every_steps == 0
        if saves or done % every.log_every_steps == 0:
            _log(run, pending, bar, phase.batch_size)
        if saves:
            run.writer.flush()
            run.checkpoints.save(done, state, run.notes)
        if draw and _is_due(done, every.sample_every_steps, total):
            batch = sample_batch(run.config, run.sources)
            picture = draw(state.variables, run.frozen, batch)
            save_image(picture, run.workdir / "samples" / f"step_{done:07d}.png")
        if last:
            break
    return state


def _make_step(
    run: Run, method: Method, phase: Phase, start: int
) -> Callable[..., Any]:
    options = run.config.optimizer
    step = make_train_step(
        method,
        run.optimizer,
        make_schedule(phase.schedule, phase.steps),
        phase_start=start,
        accumulate_steps=options.accumulate_steps,
        max_nonfinite_steps=options.max_nonfinite_steps,
    )
    return map_step(step, run.devices, run.config.run.parallel)


def _log(
    run: Run,
    pending: list[tuple[int, dict[str, jax.Array]]],
    bar: tqdm,
    batch_size: int,
) -> None:
    """Writes and forgets what is pending; raises if training has diverged."""
    values: dict[str, float] = {}
    for step, metrics in jax.device_get(pending):
        values = {name: float(value) for name, value in metrics.items()}
        run.writer.write(step, values)
    pending.clear()
    rate = bar.format_dict["rate"] or 0.0
    bar.set_postfix_str(f"loss {values['loss']:.3g}, {rate * batch_size:.1f} images/s")
    if values["skipped_in_row"] >= run.config.optimizer.max_nonfinite_steps:
        run.writer.flush()
        newest = run.checkpoints.newest_step()
        kept = "is none yet" if newest is None else f"is that of step {newest}"
        raise TrainingDivergedError(
            f"the loss was not finite for {int(values['skipped_in_row'])} steps in a "
            f"row, up to step {step}; the newest checkpoint {kept}"
        )


def _is_due(done: int, every_steps: int, total: int) -> bool:
    return every_steps > 0 and (done % every_steps == 0 or done == total)
