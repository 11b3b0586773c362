"""Optax optimisers and learning rates from their configuration."""

import jax
import optax

from styleflax.config import Optimizer, Schedule


def make_schedule(schedule: Schedule, steps: int) -> optax.Schedule:
    """Learning rate as a function of the step within a phase.

    Args:
        schedule: `inverse` is lr / (1 + decay * step), of Huang and Belongie's
            published code; `cosine` falls to 0 at the end; `steps` is lr * decay ^
            (step // every_steps).
        steps: Length of the phase.
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
    # From warmup + 1 so that no step has a rate of 0.
    return optax.join_schedules([lambda step: rise(step + 1), decay], [warmup])


def make_optimizer(config: Optimizer) -> optax.GradientTransformation:
    """Clipped Adam directions; the train step scales them by the learning rate."""
    clip = optax.clip_by_global_norm(config.clip_norm) if config.clip_norm else None
    adam = optax.scale_by_adam(b1=config.beta1, b2=config.beta2)
    return optax.chain(clip, adam) if clip else adam
