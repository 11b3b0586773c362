"""train.py on the tiny method, as one of several processes; the tests' child.

    python joined_run.py --config=FILE --workdir=DIR ...

The environment may ask for more. `ACTION=PROCESS:STEPS:SIGNAL` sends the process
of that number a signal after so many steps. `OPTIMIZER=sgd` trains by plain
gradient descent, which, unlike Adam, shows gradients that are too large
throughout. `MISTAKES` prints what each of several wrong runs is refused with.
"""

import copy
import json
import os
import signal
import sys

import jax
import optax
from tiny_run import make_pictures, make_tiny

from styleflax import methods
from styleflax.cli import train as command
from styleflax.distributed import joined_processes
from styleflax.training import loop, run, workdir
from styleflax.training.loop import Stop


def send_signal_after(steps, number):
    """Makes this process take a signal while it trains."""
    after_step, taken = Stop.after_step, []

    def counting(self):
        taken.append(1)
        if len(taken) == steps:
            os.kill(os.getpid(), number)
        return after_step(self)

    Stop.after_step = counting


def open_sources(*_):
    process, steps, name = os.environ.get("ACTION", "-1:0:SIGTERM").split(":")
    if jax.process_index() == int(process):  # now that JAX knows
        send_signal_after(int(steps), signal.Signals[name])
    return make_pictures()


def print_refusals(arguments):
    """Tries what must be refused in all processes, one after another."""
    config, folder = command.parse_arguments(arguments)
    cases = {name: copy.deepcopy(config) for name in ("batch", "seed", "sources")}
    cases["method"] = cases["network"] = cases["encoder"] = config
    cases["batch"].phases[1].batch_size = 6
    with joined_processes(config.run):
        cases["seed"].seed = jax.process_index()
        for name, case in cases.items():
            if name == "sources":
                pictures = [make_pictures()[0]] * 2
                del pictures[0][: jax.process_index()]
                loop.open_sources = lambda *_, p=pictures: p
            else:
                loop.open_sources = open_sources
            try:
                loop.train(case, folder.with_name(name))
            except ValueError as error:
                print(json.dumps([name, str(error)]), flush=True)


if __name__ == "__main__":
    methods.METHODS["tiny"] = make_tiny
    loop.open_sources = open_sources
    workdir.TOKEN_TIMEOUT_S = 1.0
    if os.environ.get("OPTIMIZER") == "sgd":
        run.make_optimizer = lambda options: optax.identity()
    if "MISTAKES" in os.environ:
        print_refusals(sys.argv[1:])
    else:
        command.main()
