"""All that changes while training."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Int, UInt32

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
    """

    step: Int[Array, ""]
    variables: Variables
    opt_state: dict[str, Any]
    key: UInt32[Array, "words"]
    skipped: Int[Array, ""]
    skipped_in_row: Int[Array, ""]


def create_state(
    method: Method, optimizer: optax.GradientTransformation, seed: int
) -> TrainState:
    """State before the first step."""
    init_key, run_key = jax.random.split(jax.random.key(seed))
    variables = method.init(init_key)
    # Three separate zeros: a donated buffer may stand in the state only once.
    return TrainState(
        step=jnp.zeros((), jnp.int32),
        variables=variables,
        opt_state={k: optimizer.init(p) for k, p in variables.players.items()},
        key=jax.random.key_data(run_key),
        skipped=jnp.zeros((), jnp.int32),
        skipped_in_row=jnp.zeros((), jnp.int32),
    )
