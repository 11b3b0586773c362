"""A run as a self-contained model file."""

import dataclasses
import importlib.metadata
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jax
import numpy as np

from styleflax import methods
from styleflax.config import Config, from_json
from styleflax.datasets.sources import split_spec
from styleflax.training.build import build_methods, trained_players
from styleflax.training.checkpoint import Checkpoints
from styleflax.training.encoder import FILE_NAME
from styleflax.training.optimizer import make_optimizer
from styleflax.training.state import TrainState, create_state
from styleflax.weights.store import DEFAULTS, ModelFile, load_model


def read_run(workdir: Path, *, complete: bool = False) -> ModelFile:
    """What a run has come to, from its newest intact checkpoint.

    The run may be going on meanwhile; nothing in its folder is changed.

    Args:
        workdir: The run's folder.
        complete: Refuse a run that has not taken its last step.

    Raises:
        FileNotFoundError: If the folder holds no run, or none with a checkpoint.
        ValueError: If the run's configuration or encoder is damaged, or it must be
            complete and is not.
    """
    path = workdir / "config.json"
    if not path.is_file():
        raise FileNotFoundError(
            f"{workdir} holds no run; one is made by train.py --workdir={workdir}"
        )
    config = _read_config(path)
    state = _newest_state(workdir, config)
    num_steps = sum(phase.steps for phase in config.phases)
    if complete and state.step < num_steps:
        raise ValueError(
            f"the run in {workdir} has taken {int(state.step)} of {num_steps} steps: "
            "start it again, and it goes on"
        )
    encoder = load_model(workdir / FILE_NAME)
    method = build_methods(config)[-1]
    return ModelFile(
        method=config.method,
        encoder=encoder.encoder,
        encoder_params=encoder.encoder_params,
        players={
            **encoder.players,  # what the method kept frozen
            **{k: state.variables.players[k] for k in trained_players(config)},
        },
        state=state.variables.state,
        arithmetic=dataclasses.asdict(config.arithmetic),
        provenance=_provenance(config, int(state.step), method.encoder_layers),
        options=method.options,
        defaults={
            name: 1.0 for name in DEFAULTS if name in methods.controls_of(method)
        },
    )


def _provenance(
    config: Config, steps: int, encoder_layers: Sequence[str]
) -> dict[str, Any]:
    """How a run's parameters came about, without paths of this machine."""
    return {
        "steps": steps,
        "seed": config.seed,
        "content": describe_spec(config.data.content),
        "style": describe_spec(config.data.style),
        "phases": dataclasses.asdict(config)["phases"],
        "encoder": {
            **dataclasses.asdict(config.encoder),
            "weights": Path(config.encoder.weights).name,
        },
        "decoder": config.decoder,
        "init_from": Path(config.init_from).name,
        "encoder_layers": list(encoder_layers),
        "styleflax": importlib.metadata.version("styleflax"),
        "jax": importlib.metadata.version("jax"),
    }


def describe_spec(spec: str) -> str:
    """A data set's spec without the places of this machine."""
    parts = [part.partition(":") for part in split_spec(spec)]
    return "+".join(
        f"{name}{colon}{Path(argument).name}" for name, colon, argument in parts
    )


def _read_config(path: Path) -> Config:
    try:
        return from_json(path.read_text("utf-8"))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ValueError(
            f"{path} is damaged, or of another version of styleflax: {error}"
        ) from error


def _newest_state(workdir: Path, config: Config) -> TrainState:
    folder = workdir / "checkpoints"
    method = build_methods(config)[-1]
    optimizer = make_optimizer(config.optimizer)

    def create() -> Any:
        return create_state(method, optimizer, config.seed)

    template = jax.tree.map(
        lambda leaf: np.zeros(leaf.shape, leaf.dtype), jax.eval_shape(create)
    )
    restored = None
    if folder.is_dir():
        checkpoints = Checkpoints(folder, config.run.keep_checkpoints, read_only=True)
        try:
            restored = checkpoints.restore_newest(template)
        finally:
            checkpoints.close()
    if restored is None:
        raise FileNotFoundError(
            f"{workdir} holds no checkpoint that can be read; train.py "
            f"--workdir={workdir} goes on and writes one"
        )
    state: TrainState = restored[0]
    return state
