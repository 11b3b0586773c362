"""All that changes while training."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float, Int, UInt32

from styleflax.methods.base import Method, Variables


class TrainState(NamedTuple):
    """The part of a run that checkpoints hold.

    Attributes:
        step: Steps taken, skipped ones included.
        variables: What is trained.
        opt_state: Optimiser state by player.
        key: Data of the run's random key; never changes, steps fold their
            number into it.
        skipped: Steps whose loss or gradient was not finite.
        skipped_in_row: The last of those that followed one another.
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
    """State before the first step.

    Args:
        method: Makes the variables.
        optimizer: Optimizer of every player.
        seed: Seed of the variables and of the run.
        with_average: Hold a running average of the variables, too.
    """
    init_key, run_key = jax.random.split(jax.random.key(seed))
    variables = method.init(init_key)
    # Three separate zeros: a donated buffer may stand in the state only once.
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
    """`state` with an average of its variables alone, in buffers of its own."""
    return state._replace(average=jax.tree.map(jnp.copy, state.variables))


def move_average(
    average: Variables, variables: Variables, step: Int[Array, ""], decay: float
) -> Variables:
    """The running average after a step, in float32.

    Args:
        average: Before the step.
        variables: After the step.
        step: Steps taken before; the first ones count for more, by a decay of at most
            (1 + step) / (10 + step), so that what training began with is soon
            forgotten (as in TensorFlow's ExponentialMovingAverage).
        decay: Share that the old average keeps.
    """
    kept = jnp.minimum(decay, (1.0 + step) / (10.0 + step))

    def move(old: Float[Array, "*_"], new: Float[Array, "*_"]) -> Float[Array, "*_"]:
        return new + kept * (old - new)

    return jax.tree.map(move, average, variables)
