"""One training step, written for one device."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array

from styleflax.methods.base import Batch, LossFn, Method, Variables
from styleflax.parallel import AXIS
from styleflax.training.state import TrainState, move_average
from styleflax.types import Key, Params

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
    """`step(state, frozen, batch) -> (state, metrics)`, to be mapped over devices.

    Gradients and metrics are averaged over devices first, so that all decide
    alike. A loss or gradient that is not finite changes nothing but is counted;
    after `max_nonfinite_steps` in a row no step changes anything any more.

    Args:
        method: Gives the losses, one a player.
        optimizer: Turns a player's gradient into a direction.
        schedule: Learning rate over steps since `phase_start`.
        phase_start: Step at which the phase began.
        accumulate_steps: Parts of a device's batch, computed one after another.
        max_nonfinite_steps: See above.
        ema: Decay of the state's running average, where it holds one.
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
        kept = jax.tree.map(lambda a, b: jnp.where(finite, a, b), (new, average), old)
        (variables, opt_state), average = kept
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
    """Variables and optimisers after a step of every player; metrics; all finite?

    All players move at once, from where the step found them. Those that only other
    phases train stay as they are.
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
    """Gradient, metrics and new state of `loss`, averaged over parts of the batch."""

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
