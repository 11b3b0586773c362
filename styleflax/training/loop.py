"""The training loop, the same in every process that takes part."""

import collections
import contextlib
import logging
import signal
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import jax
from tqdm import tqdm

from styleflax.compile_cache.options import DETERMINISTIC, add_flag
from styleflax.config import Config, Phase
from styleflax.distributed import (
    StopRequest,
    exchange,
    is_first,
    on_all,
    on_first,
    stop_on_signals,
    wait_for_all,
)
from styleflax.images.files import save_image
from styleflax.memory import explain_memory_errors
from styleflax.methods.base import Method
from styleflax.parallel import (
    DeviceBatches,
    all_devices,
    check_divides,
    local_view,
    make_any,
    make_put,
    map_step,
    replicate,
)
from styleflax.training.phases import build_methods, remaining_phases, validate
from styleflax.training.run import (
    MakeSampler,
    MakeScorer,
    Run,
    make_phase_scorer,
    open_run,
)
from styleflax.training.sources import (
    cut_validation,
    open_sources,
    sample_batch,
)
from styleflax.training.step import TrainState, make_schedule, make_train_step
from styleflax.training.workdir import (
    check_place,
    check_same_config,
    check_shared,
    locked,
    open_workdir,
)

logger = logging.getLogger(__name__)


_LAG_STEPS = 4
"""Number of steps that an accelerator may lag behind the processes that feed it."""


class TrainingDivergedError(RuntimeError):
    """Error: too many steps in a row had a loss or gradient that was not finite."""


def train(
    config: Config,
    workdir: Path,
    make_sampler: MakeSampler | None = None,
    request: StopRequest | None = None,
    make_scorer: MakeScorer | None = None,
) -> TrainState:
    """Trains until the last phase ends or a signal asks to stop; resumes if it can.

    If `jax.distributed` has been initialized, every process must call this function,
    with the same configuration and a folder that all processes share.

    Args:
        config: Configuration of the run.
        workdir: Folder of the run: configuration, encoder, checkpoints, metrics,
            samples.
        make_sampler: Makes the sampler, which draws samples during training; see
            `MakeSampler`.
        request: Request to stop, if something other than a signal can set it.
        make_scorer: Makes a scorer of validation pairs, in addition to the terms of the
            loss; see `MakeScorer`.

    Returns:
        The final state, which is also in the newest checkpoint.

    Raises:
        ValueError: If the configuration is invalid, the workdir belongs to another
            configuration, is in use or among the pictures, or the processes do not
            agree.
        TrainingDivergedError: If the loss stays not finite.
    """
    validate(config)
    if config.run.deterministic:
        add_flag(DETERMINISTIC)
    check_same_config(config)
    methods = build_methods(config)
    devices = all_devices(config.run.num_devices)
    for i, phase in enumerate(config.phases):
        parts = len(devices) * config.optimizer.accumulate_steps
        check_divides(phase.batch_size, parts, f"phases[{i}].batch_size")
    on_first(lambda: check_place(workdir, config))
    with contextlib.ExitStack() as held:
        on_first(lambda: held.enter_context(locked(workdir)))
        on_first(lambda: open_workdir(workdir, config))
        check_shared(workdir)
        pictures = on_all(lambda: cut_validation(config, open_sources(config, workdir)))
        # Signals are taken until the last checkpoint is on disk.
        request = held.enter_context(stop_on_signals(request))
        run, state = open_run(
            config, workdir, devices, pictures, methods, make_sampler, make_scorer, held
        )
        state = _run_phases(run, state, Stop(request, devices))
    wait_for_all("everything is on disk")
    return state


class Stop:
    """Whether to stop after a step: the same answer in all processes.

    Each says after every step whether it has been asked to stop, in a collective
    on the devices. Where these run behind, the answer that counts is that of some
    steps before, which has finished by then, so nothing waits.

    Args:
        request: This process's own.
        devices: Those of all processes.
    """

    def __init__(self, request: StopRequest, devices: Sequence[jax.Device]) -> None:
        self._request = request
        self._decided, self._elsewhere = False, ""
        self._any_process = make_any(devices) if jax.process_count() > 1 else None
        self._lag_steps = 0 if devices[0].platform == "cpu" else _LAG_STEPS
        self._answers: collections.deque[jax.Array] = collections.deque()

    def __bool__(self) -> bool:
        """Whether the processes have decided to stop; without asking any."""
        return self._decided if self._any_process else bool(self._request.name)

    @property
    def name(self) -> str:
        """The signal, as far as it is known here; more so after `settle`."""
        if self._elsewhere:
            return self._elsewhere
        return self._request.name or "a signal to another process"

    def settle(self) -> None:
        """Sets the request of every process alike, so that all end with one code.

        Ctrl-C in one is Ctrl-C in all, as a terminal or a scheduler may send it to
        some. All must call it, once they have decided to stop.
        """
        names = exchange(self._request.name)
        if not self._request.name:
            who = next(i for i, name in enumerate(names) if name)
            self._elsewhere = f"{names[who]} to process {who}"
        interrupt = signal.SIGINT.name
        self._request.name = interrupt if interrupt in names else signal.SIGTERM.name

    def after_step(self) -> bool:
        """Whether to stop now; all must call it after every step."""
        if self._any_process:
            self._answers.append(self._any_process(bool(self._request.name)))
            if len(self._answers) > self._lag_steps:
                self._decided |= bool(self._answers.popleft())
        return bool(self)


def _run_phases(run: Run, state: TrainState, stop: Stop) -> TrainState:
    first = int(state.step)
    with tqdm(
        total=run.num_steps,
        initial=first,
        unit="step",
        dynamic_ncols=True,
        disable=not is_first(),
    ) as bar:
        for index, start, end, phase in remaining_phases(run.config.phases, first):
            bar.set_description(f"phase {index + 1}/{len(run.config.phases)}")
            part = f"phases[{index}]"
            with explain_memory_errors(
                f"training on {phase.batch_size} crops of {phase.crop_px} px ({part})",
                f"lower --config.{part}.batch_size or --config.{part}.crop_px, or set "
                f"--config.optimizer.accumulate_steps="
                f"{2 * run.config.optimizer.accumulate_steps}, which splits each batch",
            ):
                state = _run_phase(run, state, stop, bar, index, start, end, phase)
            if stop:
                stop.settle()
                logger.warning("stopped by %s; run again to go on", stop.name)
                break
    return state


def _run_phase(
    run: Run,
    state: TrainState,
    stop: Stop,
    bar: tqdm,
    index: int,
    start: int,
    end: int,
    phase: Phase,
) -> TrainState:
    every, method = run.config.run, run.methods[index]
    step = _make_step(run, method, phase, start)
    draw = run.draws[index] if run.draws else None
    score = None if run.scored is None else make_phase_scorer(run, method)
    first = int(state.step)
    if first == start:  # every phase begins with a fresh optimizer
        players = local_view(state.variables.players)
        fresh = {k: run.optimizer.init(p) for k, p in players.items()}
        state = state._replace(opt_state=replicate(fresh, run.devices))
    pending: list[tuple[int, dict[str, Any]]] = []
    put = make_put(run.devices, every.parallel)
    batches = DeviceBatches(run.batches[index](first - start), put)
    for done in range(first + 1, end + 1):
        state, metrics = step(state, run.frozen, next(batches))
        if run.devices[0].platform == "cpu":
            # Virtual CPU devices dead-lock when steps pile up (before jax 0.12).
            jax.block_until_ready(metrics)
        if score and _is_due(done, every.score_every_steps, run.num_steps):
            metrics = metrics | score(state)
        pending.append((done, metrics))
        bar.update()
        last = stop.after_step() or done == end
        saves = last or done % every.checkpoint_every_steps == 0
        if saves or done % every.log_every_steps == 0:
            _log(run, pending, bar, phase.batch_size, batches.take_wait_share())
        if saves and run.writer and run.checkpoints:
            run.writer.flush()
            run.checkpoints.save(done, state, run.notes)
        if draw and _is_due(done, every.sample_every_steps, run.num_steps):
            batch = sample_batch(run.config, run.sources)
            variables, frozen = local_view((state.shown(), run.frozen))
            picture = draw(variables, frozen, batch)
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
        ema=options.ema,
    )
    return map_step(step, run.devices, run.config.run.parallel)


def _log(
    run: Run,
    pending: list[tuple[int, dict[str, Any]]],
    bar: tqdm,
    batch_size: int,
    data_wait: float,
) -> None:
    """Writes and forgets what is pending; raises if training has diverged."""
    values: dict[str, float] = {}
    for step, metrics in jax.device_get(pending):
        values = {name: float(value) for name, value in metrics.items()}
        if run.writer:
            run.writer.write(step, values)
    pending.clear()
    rate = bar.format_dict["rate"] or 0.0
    speed = {"images_per_s": rate * batch_size, "data_wait": data_wait}
    if run.writer:
        run.writer.write_timing(step, speed)
    bar.set_postfix_str(
        f"loss {values['loss']:.3g}, {speed['images_per_s']:.1f} images/s, "
        f"{data_wait:.0%} waiting for data"
    )
    if values["skipped_in_row"] >= run.config.optimizer.max_nonfinite_steps:
        kept = on_first(lambda: _keep_all(run)) or "is with process 0"
        raise TrainingDivergedError(
            f"the loss was not finite for {int(values['skipped_in_row'])} steps in a "
            f"row, up to step {step}; the newest checkpoint {kept}"
        )


def _keep_all(run: Run) -> str:
    """Waits until all is on disk; tells of the newest checkpoint."""
    assert run.writer
    assert run.checkpoints
    run.writer.flush()
    run.checkpoints.wait()
    newest = run.checkpoints.newest_step()
    return "is none yet" if newest is None else f"is that of step {newest}"


def _is_due(done: int, every_steps: int, total: int) -> bool:
    return every_steps > 0 and (done % every_steps == 0 or done == total)
