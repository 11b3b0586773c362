"""train.py on the tiny method, with Ray's workers; the tests' child.

    python ray_run.py --config=FILE --workdir=DIR --launcher=ray ...

`ACTION` is that of `joined_run`; `STEP_S` makes every step as slow as that.
"""

import functools
import os
import time

from styleflax.cli import train as command


def train_here(variables, config, workdir, request=None):
    """What a worker does in place of the command's own."""
    import joined_run

    from styleflax import methods
    from styleflax.training import loop
    from styleflax.training.loop import Stop

    os.environ.update(variables)  # the workers have the cluster's, not the driver's
    methods.METHODS["tiny"] = joined_run.make_tiny
    loop.open_sources = joined_run.open_sources
    after_step = Stop.after_step

    def slow(self):
        time.sleep(float(variables["STEP_S"]))
        return after_step(self)

    Stop.after_step = slow
    loop.train(config, workdir, None, request)


if __name__ == "__main__":
    defaults = {"ACTION": "-1:0:SIGTERM", "STEP_S": "0"}
    told = {name: os.environ.get(name, value) for name, value in defaults.items()}
    command.train_here = functools.partial(train_here, told)
    command.main()
