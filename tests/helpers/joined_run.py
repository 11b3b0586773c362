"""train.py on the tiny method, as one of several processes; the tests' child.

    python joined_run.py train.py's flags

`ACTION=PROCESS:STEPS:SIGNAL` sends the process of that number a signal after so
many steps; `OPTIMIZER=sgd` trains by plain gradient descent, which, unlike Adam,
shows gradients that are too large throughout.
"""

import os
import signal
import sys
from pathlib import Path

import jax
import optax
from tiny_run import make_pictures, make_tiny, write_encoder

from styleflax import methods
from styleflax.cli import train as command
from styleflax.training import loop, run, workdir
from styleflax.training.signals import Stop


def send_signal_after(steps, number):
    """Makes this process take a signal while it trains."""
    after_step, taken = Stop.after_step, []

    def counting(self):
        taken.append(1)
        if len(taken) == steps:
            os.kill(os.getpid(), number)
        return after_step(self)

    Stop.after_step = counting


def open_sources(config):
    # Runs in every process before the encoder is read.
    process, steps, name = os.environ.get("ACTION", "-1:0:SIGTERM").split(":")
    if jax.process_index() == int(process):
        send_signal_after(int(steps), signal.Signals[name])
    return make_pictures()


def prepare():
    """Puts the tiny method in the place of the true ones."""
    methods.METHODS["tiny"] = make_tiny
    loop.open_sources = open_sources
    workdir.TOKEN_TIMEOUT_S = 1.0
    if os.environ.get("OPTIMIZER") == "sgd":
        run.make_optimizer = lambda options: optax.identity()


if __name__ == "__main__":
    prepare()
    (folder,) = (a.partition("=")[2] for a in sys.argv if a.startswith("--workdir="))
    if jax.process_index:  # not called: JAX must not start yet
        write_encoder(Path(folder))
    command.main()
