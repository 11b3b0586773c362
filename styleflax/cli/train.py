"""What `train.py` and `styleflax train` do."""

from pathlib import Path

from absl import app, flags
from ml_collections import config_flags

from styleflax.inference.samples import make_sampler
from styleflax.training.loop import train

_CONFIG = config_flags.DEFINE_config_file("config", None, "Configuration file.")
_WORKDIR = flags.DEFINE_string("workdir", None, "Folder of the run.")


def main() -> None:
    """Entry point."""
    flags.mark_flags_as_required(["config", "workdir"])
    app.run(_run)


def _run(argv):
    train(_CONFIG.value, Path(_WORKDIR.value), make_sampler)
