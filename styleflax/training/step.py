"""One training step, written for one device: its state, its optimizer, the update."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float, Int, UInt32

from styleflax.config import Optimizer, Schedule
from styleflax.methods.base import Batch, LossFn, Method, Variables
from styleflax.parallel import AXIS
from styleflax.types import Key, Params


class TrainState(NamedTuple):
    """The part of a run that checkpoints hold.

    Attributes:
        step: Number of steps taken, including skipped ones.
        variables: The variables that are trained.
        opt_state: Optimizer state by player.
        key: Data of the run's random key; it never changes, and steps fold their number
            into it.
        skipped: Number of steps whose loss or gradient was not finite.
        skipped_in_row: Number of such steps in a row up to now.
        average: Running average of `variables`; None where none is computed.
    """

    step: Int[Array, ""]
    variables: Variables
    opt_state: dict[str, Any]
    key: UInt32[Array, "words"]
    skipped: Int[Array, ""]
    skipped_in_row: Int[Array, ""]
    average: Variables | None = None

    def shown(self) -> Variables:
        """Variables for samples, validation and exports: the average, if any."""
        return self.variables if self.average is None else self.average


def create_state(
    method: Method,
    optimizer: optax.GradientTransformation,
    seed: int,
    *,
    with_average: bool = False,
) -> TrainState:
    """Returns the state before the first step.

    Args:
        method: The method, which initializes the variables.
        optimizer: Optimizer, the same for every player.
        seed: Seed of the variables and of the run.
        with_average: Whether the state has a running average of the variables.
    """
    init_key, run_key = jax.random.split(jax.random.key(seed))
    variables = method.init(init_key)
    # Three separate zeros: a donated buffer may occur in the state only once.
    state = TrainState(
        step=jnp.zeros((), jnp.int32),
        variables=variables,
        opt_state={k: optimizer.init(p) for k, p in variables.players.items()},
        key=jax.random.key_data(run_key),
        skipped=jnp.zeros((), jnp.int32),
        skipped_in_row=jnp.zeros((), jnp.int32),
    )
    return begin_average(state) if with_average else state


def begin_average(state: TrainState) -> TrainState:
    """Returns the state with an average that is a copy of its variables."""
    return state._replace(average=jax.tree.map(jnp.copy, state.variables))


def move_average(
    average: Variables, variables: Variables, step: Int[Array, ""], decay: float
) -> Variables:
    """Returns the running average after a step, in float32.

    Args:
        average: Average before the step.
        variables: Variables after the step.
        step: Number of steps before. The decay is at most (1 + step) / (10 + step),
            so that the average soon forgets the initial variables (as in
            TensorFlow's ExponentialMovingAverage).
        decay: Share of the old average.
    """
    share = jnp.minimum(decay, (1.0 + step) / (10.0 + step))

    def move(old: Float[Array, "*_"], new: Float[Array, "*_"]) -> Float[Array, "*_"]:
        return new + share * (old - new)

    return jax.tree.map(move, average, variables)


def make_schedule(schedule: Schedule, steps: int) -> optax.Schedule:
    """Returns the learning rate as a function of the step within a phase.

    Args:
        schedule: `inverse` is lr / (1 + decay * step), as in the published code of
            Huang and Belongie; `cosine` falls to 0 at the end; `steps` is lr * decay ^
            (step // every_steps).
        steps: Number of steps of the phase.
    """
    warmup = schedule.warmup_steps
    if schedule.kind == "cosine":
        decay = optax.cosine_decay_schedule(schedule.learning_rate, steps - warmup)
    elif schedule.kind == "steps":
        decay = optax.exponential_decay(
            schedule.learning_rate, schedule.every_steps, schedule.decay, staircase=True
        )
    else:

        def decay(step: jax.typing.ArrayLike) -> jax.typing.ArrayLike:
            return schedule.learning_rate / (1.0 + schedule.decay * step)

    rise = optax.linear_schedule(0.0, schedule.learning_rate, warmup + 1)
    # Starts at step + 1, so that no step has a rate of 0.
    return optax.join_schedules([lambda step: rise(step + 1), decay], [warmup])


def make_optimizer(config: Optimizer) -> optax.GradientTransformation:
    """Returns the optimizer of clipped directions, without the learning rate."""
    direction = optax.scale_by_adam(b1=config.beta1, b2=config.beta2)
    if config.kind == "muon":
        muon = optax.contrib.muon(
            -1.0,  # negative, since Optax's rates include the sign of descent
            muon_weight_dimension_numbers=optax.contrib.MuonDimensionNumbers(
                (0, 1, 2), (3,)
            ),
            consistent_rms=_ADAM_RMS,
        )
        kinds = {"muon": muon, "adam": direction}
        direction = optax.partition(kinds, _kinds_of)
    if not config.clip_norm:
        return direction
    return optax.chain(optax.clip_by_global_norm(config.clip_norm), direction)


_ADAM_RMS = 0.2
"""Root mean square of Adam's steps, to which Muon's are scaled (Liu et al. 2025), so
that one learning rate fits both."""
_IMAGE_CHANNELS = 3


def _kinds_of(params: Params) -> Params:
    """Returns the optimizer of each parameter: Muon for kernels, Adam for the rest."""

    def kind_of(x: Array) -> str:
        return "muon" if x.ndim == 4 and x.shape[3] > _IMAGE_CHANNELS else "adam"

    return jax.tree.map(kind_of, params)


TrainStep = Callable[[TrainState, Params, Batch], tuple[TrainState, dict[str, Array]]]


def make_train_step(
    method: Method,
    optimizer: optax.GradientTransformation,
    schedule: optax.Schedule,
    *,
    phase_start: int = 0,
    accumulate_steps: int = 1,
    max_nonfinite_steps: int = 10,
    ema: float = 0.0,
) -> TrainStep:
    """Returns `step(state, frozen, batch) -> (state, metrics)`, to map over devices.

    Gradients and metrics are averaged over devices first, so that all devices decide
    equally. A step with a loss or gradient that is not finite is counted but changes
    nothing; after `max_nonfinite_steps` of them in a row, no later step changes
    anything.

    Args:
        method: The method, with one loss per player.
        optimizer: Optimizer that turns a gradient into a direction.
        schedule: Learning rate as a function of the steps since `phase_start`.
        phase_start: Step at which the phase began.
        accumulate_steps: Number of parts of a device's batch that are computed in
            sequence.
        max_nonfinite_steps: Limit of steps in a row that are not finite, see above.
        ema: Decay of the state's running average, if it has one.
    """

    def step(
        state: TrainState, frozen: Params, batch: Batch
    ) -> tuple[TrainState, dict[str, Array]]:
        key = jax.random.fold_in(jax.random.wrap_key_data(state.key), state.step)
        key = jax.random.fold_in(key, jax.lax.axis_index(AXIS))
        rate = schedule(state.step - phase_start)
        images = {name: _to_float(pixels) for name, pixels in batch.items()}
        new, metrics, finite = _all_players(
            method, optimizer, accumulate_steps, rate, state, frozen, images, key
        )
        finite &= state.skipped_in_row < max_nonfinite_steps
        average = state.average
        if average is not None:
            average = move_average(average, new[0], state.step, ema)
        old = (state.variables, state.opt_state), state.average
        accepted = jax.tree.map(
            lambda a, b: jnp.where(finite, a, b), (new, average), old
        )
        (variables, opt_state), average = accepted
        skipped = jnp.logical_not(finite).astype(jnp.int32)
        in_row = (state.skipped_in_row + 1) * skipped
        metrics |= {"learning_rate": rate, "skipped": skipped, "skipped_in_row": in_row}
        total = state.skipped + skipped
        return TrainState(
            state.step + 1, variables, opt_state, state.key, total, in_row, average
        ), metrics

    return step


def _all_players(
    method: Method,
    optimizer: optax.GradientTransformation,
    accumulate_steps: int,
    rate: Any,
    state: TrainState,
    frozen: Params,
    images: Batch,
    key: Key,
) -> tuple[tuple[Variables, dict[str, Any]], dict[str, Array], Array]:
    """Returns variables and optimizers after a step, metrics, and if all are finite.

    All players are updated at once, from the variables before the step. Players that
    only other phases train do not change.
    """
    players, opt_state = dict(state.variables.players), dict(state.opt_state)
    metrics: dict[str, Array] = {}
    finite, new_state = jnp.array(True), dict(state.variables.state)
    for player, loss in method.losses.items():
        value_and_grad = _accumulated(loss, accumulate_steps)
        own = state.variables.players[player]
        outputs = value_and_grad(own, state.variables, frozen, images, key)
        grads, own_metrics, set_state = jax.lax.pmean(outputs, AXIS)
        new_state |= set_state
        norm = optax.tree.norm(grads)
        finite &= jnp.isfinite(own_metrics["loss"]) & jnp.isfinite(norm)
        updates, opt_state[player] = optimizer.update(
            grads, state.opt_state[player], own
        )
        players[player] = jax.tree.map(lambda p, u: p - rate * u, own, updates)
        own_metrics["grad_norm"] = norm
        prefix = "" if player == "model" else f"{player}_"
        metrics |= {prefix + name: value for name, value in own_metrics.items()}
    return (Variables(players, new_state), opt_state), metrics, finite


def _to_float(pixels: Array) -> Array:
    if pixels.dtype == jnp.uint8:
        return pixels.astype(jnp.float32) / 255.0
    return pixels


def _accumulated(loss: LossFn, parts: int) -> Callable[..., tuple[Any, ...]]:
    """Returns gradients, metrics and state of a loss, averaged over the parts."""

    def whole(
        own: Params, variables: Variables, frozen: Params, batch: Batch, key: Key
    ) -> tuple[Params, dict[str, Array], Params]:
        (value, (metrics, state)), grads = jax.value_and_grad(loss, has_aux=True)(
            own, variables, frozen, batch, key
        )
        return grads, {"loss": value} | metrics, state

    def in_parts(
        own: Params, variables: Variables, frozen: Params, batch: Batch, key: Key
    ) -> tuple[Params, dict[str, Array], Params]:
        split = jax.tree.map(lambda x: x.reshape(parts, -1, *x.shape[1:]), batch)

        def body(total: Any, numbered: tuple[Array, Batch]) -> tuple[Any, None]:
            index, part = numbered
            part_key = jax.random.fold_in(key, index)
            outputs = whole(own, variables, frozen, part, part_key)
            return jax.tree.map(jnp.add, total, outputs), None

        first = jax.tree.map(lambda x: x[0], split)
        shapes = jax.eval_shape(whole, own, variables, frozen, first, key)
        zeros = jax.tree.map(lambda s: jnp.zeros(s.shape, s.dtype), shapes)
        total, _ = jax.lax.scan(body, zeros, (jnp.arange(parts), split))
        return jax.tree.map(lambda x: x / parts, total)

    return whole if parts == 1 else in_parts
