"""The open resources of a run, its initial state, and its validation scores."""

import contextlib
import logging
import math
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple, cast

import jax
import jax.numpy as jnp
import numpy as np
import optax

from styleflax.config import Config
from styleflax.config import Run as RunOptions
from styleflax.distributed import (
    broadcast,
    check_same,
    is_first,
    on_all,
    on_first,
)
from styleflax.images.files import to_float
from styleflax.methods.base import Batch, Method, Variables
from styleflax.parallel import local_view, replicate
from styleflax.training.checkpoint import (
    Checkpoints,
    MetricWriter,
    describe_environment,
    read_metrics,
    warn_of_differences,
)
from styleflax.training.encoder import (
    open_encoder,
    start_anew,
    start_from,
    with_encoder,
)
from styleflax.training.export import model_file
from styleflax.training.phases import phase_starts
from styleflax.training.sources import (
    Pictures,
    Sources,
    check_styles,
    describe_split,
    phase_batches,
    read_palettes,
    scored_batch,
)
from styleflax.training.step import (
    TrainState,
    begin_average,
    create_state,
    make_optimizer,
)
from styleflax.types import Params
from styleflax.weights.store import ModelFile, model_digest, save_model

logger = logging.getLogger(__name__)
Draw = Callable[[Variables, Params, Batch], np.ndarray]
"""(variables, frozen, batch) -> picture (h, w, 3), uint8."""
MakeSampler = Callable[[Method], Draw]


class Scorer(NamedTuple):
    """Scores of validation pairs in addition to the terms of the loss; lower is better.

    Attributes:
        names: What they are called.
        score: (variables, frozen) -> numbers by name.
    """

    names: tuple[str, ...]
    score: Callable[[Variables, Params], dict[str, float]]


MakeScorer = Callable[[Method, Batch], Scorer]
"""From a method and fixed pairs, {"content", "style"} and perhaps "style_index"."""


class Run(NamedTuple):
    """What stays the same throughout a run.

    Only process 0 has checkpoints, a writer, pairs and a scorer.

    Attributes:
        methods: The method as every phase trains it.
        num_steps: Steps of all phases.
        batches: By phase, its batches from one of its steps on.
        draws: By phase, what `MakeSampler` made; only process 0 has them, if any.
    """

    config: Config
    workdir: Path
    methods: Sequence[Method]
    num_steps: int
    devices: Sequence[jax.Device]
    sources: Sources
    batches: Sequence[Callable[[int], Iterator[Batch]]]
    optimizer: optax.GradientTransformation
    frozen: Params
    checkpoints: Checkpoints | None
    writer: MetricWriter | None
    notes: dict[str, Any]
    draws: Sequence[Draw]
    scored: Batch | None
    make_scorer: MakeScorer | None


def open_run(
    config: Config,
    workdir: Path,
    devices: Sequence[jax.Device],
    pictures: Pictures,
    methods: Sequence[Method],
    make_sampler: MakeSampler | None,
    make_scorer: MakeScorer | None,
    held: contextlib.ExitStack,
) -> tuple[Run, TrainState]:
    """A run, and its state on the devices: the newest intact one, or the first.

    Process 0 finds out which, and all take it. `methods` are those of the phases;
    `held` closes what the run holds open.

    Raises:
        ValueError: If the folder holds the run of another encoder or network, the
            processes have different pictures or encoders, or the style pictures are
            not those of the method's own styles.
    """
    (sources, validation), method = pictures, methods[0]
    check_same("numbers of contents and styles", [len(source) for source in sources])
    check_same("validation pictures", describe_split(config, validation))
    check_styles(config, method, sources)
    encoder = _read_encoder(config, method, workdir, sources)
    method = with_encoder(method, encoder)
    notes = _notes(config, devices, pictures, method, encoder)
    optimizer = make_optimizer(config.optimizer)

    def create() -> TrainState:
        has_average = config.optimizer.ema > 0
        return create_state(method, optimizer, config.seed, with_average=has_average)

    template = create() if is_first() else _zeros(jax.eval_shape(create))

    def make_first() -> TrainState:
        return _start(config, method, template, encoder, sources)

    opened = on_first(
        lambda: _begin(config.run, workdir, template, notes, make_first, held)
    )
    checkpoints, state, writer = opened or (None, template, None)
    run = Run(
        config=config,
        workdir=workdir,
        methods=methods,
        num_steps=phase_starts(config.phases)[-1],
        devices=devices,
        sources=sources,
        batches=[phase_batches(config, sources, i) for i in range(len(methods))],
        optimizer=optimizer,
        # In the file of the encoder: other parts that the method freezes.
        frozen=replicate(
            {"encoder": encoder.encoder_params, **encoder.players}, devices
        ),
        checkpoints=checkpoints,
        writer=writer,
        notes=notes,
        draws=[*map(make_sampler, methods)] if make_sampler and is_first() else [],
        scored=_read_scored(config, validation) if is_first() else None,
        make_scorer=make_scorer,
    )
    return run, replicate(broadcast(state), devices)


def _notes(
    config: Config,
    devices: Sequence[jax.Device],
    pictures: Pictures,
    method: Method,
    encoder: ModelFile,
) -> dict[str, Any]:
    """The notes that checkpoints record with the state."""
    sources, validation = pictures
    environment = describe_environment(devices, config.run.parallel)
    notes = {"environment": environment, "encoder": model_digest(encoder)}
    if method.styles:
        notes["palettes"] = read_palettes(method, sources[1], config.data.style_px)
    if validation is not None:
        notes["validation"] = describe_split(config, validation)
    return notes


def _begin(
    options: RunOptions,
    workdir: Path,
    state: TrainState,
    notes: dict[str, Any],
    make_first: Callable[[], TrainState],
    held: contextlib.ExitStack,
) -> tuple[Checkpoints, TrainState, MetricWriter]:
    """What only process 0 has, and the state that it found or made."""
    checkpoints = Checkpoints(workdir / "checkpoints", options.keep_checkpoints)
    held.enter_context(contextlib.closing(checkpoints))
    found = _restore(checkpoints, state, notes) or make_first()
    first = int(found.step) + 1
    writer = MetricWriter(workdir, first, tensorboard=options.tensorboard)
    held.enter_context(contextlib.closing(writer))
    return checkpoints, found, writer


def _read_encoder(
    config: Config, method: Method, workdir: Path, sources: Sources
) -> ModelFile:
    def read() -> ModelFile:
        return open_encoder(config, method, workdir, sources)

    first = on_first(read)  # makes it; the others find it there
    encoder = on_all(lambda: first or read())
    check_same("encoders", model_digest(encoder))
    return encoder


def _read_scored(config: Config, validation: Sources | None) -> Batch | None:
    if validation is None or not config.run.score_every_steps:
        return None
    return scored_batch(config, validation)


def _zeros(shapes: Any) -> Any:
    return jax.tree.map(lambda x: np.zeros(x.shape, x.dtype), shapes)


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
    if old_notes.get("validation") != notes.get("validation"):
        logger.warning(
            "the validation pictures are not those of the checkpoint (%s there, %s "
            "now): scores before and after do not compare",
            old_notes.get("validation"),
            notes.get("validation"),
        )
    logger.info("resuming after step %d", int(state.step))
    return cast(TrainState, state)


def _start(
    config: Config,
    method: Method,
    state: TrainState,
    encoder: ModelFile,
    sources: Sources,
) -> TrainState:
    if config.init_from:
        variables = start_from(
            config.init_from,
            config.method,
            state.variables,
            method.begin_from,
            trains_encoder=method.trains_encoder,
        )
    else:
        variables = start_anew(config, encoder, sources, state.variables)
    state = state._replace(variables=variables)
    return state if state.average is None else begin_average(state)


PREFIX = "val_"
"""Prefix of the names of scores in metrics.jsonl."""
BEST_NAME = "best.safetensors"


def make_phase_scorer(
    run: Run, method: Method
) -> Callable[[TrainState], dict[str, float]]:
    """`score(state)`: numbers by name, having kept the weights if they are the best.

    For a run with pairs to score: one that asks for scores, in process 0.
    """
    assert run.scored is not None
    names, losses = _make_losses(run, method, run.scored)
    judge = run.make_scorer(method, run.scored) if run.make_scorer else None
    wanted = run.config.run.best_by.split("+")
    _check_names(wanted, (*names, *(judge.names if judge else ())))
    # Of the lines that a killed run left, those after its checkpoint are gone.
    known = [_best_value(line, wanted) for line in read_metrics(run.workdir)]
    lowest = min(known, default=math.inf)

    def score(state: TrainState) -> dict[str, float]:
        nonlocal lowest
        variables, frozen = local_view((state.shown(), run.frozen))
        values = losses(variables, frozen)
        if judge is not None:
            values |= judge.score(variables, frozen)
        named = {PREFIX + name: value for name, value in values.items()}
        value = _best_value(named, wanted)
        if value < lowest:
            lowest = value
            best = model_file(run.workdir, run.config, state, run.notes, scores=values)
            save_model(run.workdir / BEST_NAME, best)
        return named

    return score


def _make_losses(
    run: Run, method: Method, batch: Batch
) -> tuple[tuple[str, ...], Callable[[Variables, Params], dict[str, float]]]:
    """Names and means over pairs of what the model is trained on."""
    pairs = _pairs(batch)

    @jax.jit
    def program(
        variables: Variables, frozen: Params, pair: Batch
    ) -> dict[str, jax.Array]:
        loss = method.losses["model"]
        key = jax.random.key(0)  # the same noise every time
        value, (metrics, _) = loss(
            variables.players["model"], variables, frozen, pair, key
        )
        return {"loss": value} | metrics

    def losses(variables: Variables, frozen: Params) -> dict[str, float]:
        values = [jax.device_get(program(variables, frozen, pair)) for pair in pairs]
        return {
            k: float(np.mean([np.float64(x[k]) for x in values])) for k in values[0]
        }

    variables = jax.eval_shape(method.init, jax.random.key(0))
    names = jax.eval_shape(program, variables, local_view(run.frozen), pairs[0])
    return tuple(names), losses


def _pairs(batch: Batch) -> list[Batch]:
    """Batches of one pair each, images as float32."""
    count = len(batch["content"])
    split = [{k: v[i : i + 1] for k, v in batch.items()} for i in range(count)]
    return [
        {
            k: jnp.asarray(to_float(v) if v.dtype == np.uint8 else v)
            for k, v in p.items()
        }
        for p in split
    ]


def _best_value(values: Any, wanted: list[str]) -> float:
    """The sum of the numbers that decide; inf where one is missing or not finite."""
    scores = [values.get(PREFIX + name) for name in wanted]
    if any(value is None or not math.isfinite(value) for value in scores):
        return math.inf
    return sum(scores)


def _check_names(wanted: list[str], known: tuple[str, ...]) -> None:
    if any(name not in known for name in wanted):
        raise ValueError(
            f"run.best_by must be made of {', '.join(sorted(known))}, joined by '+', "
            f"got {'+'.join(wanted)!r}; gram and lpips need the extra eval: "
            'pip install "styleflax[eval]"'
        )
