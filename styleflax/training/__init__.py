"""Training: the loop, its steps, phases, checkpoints and exports."""

from typing import TYPE_CHECKING

from styleflax.lazy import lazy_names

if TYPE_CHECKING:
    from styleflax.training.export import read_run
    from styleflax.training.loop import TrainingDivergedError, train
    from styleflax.training.new_style import NewStyle, new_style_config
    from styleflax.training.on_ray import train_on_ray
    from styleflax.training.phases import validate
    from styleflax.training.step import TrainState, make_train_step

__all__ = [
    "NewStyle",
    "TrainState",
    "TrainingDivergedError",
    "make_train_step",
    "new_style_config",
    "read_run",
    "train",
    "train_on_ray",
    "validate",
]

__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "NewStyle": "new_style",
        "TrainState": "step",
        "TrainingDivergedError": "loop",
        "make_train_step": "step",
        "new_style_config": "new_style",
        "read_run": "export",
        "train": "loop",
        "train_on_ray": "on_ray",
        "validate": "phases",
    },
)
