"""Exporting a run as a self-contained model file."""

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jax
import numpy as np

from styleflax import methods
from styleflax.config import Config, Data, from_json, to_tree
from styleflax.datasets.sources import split_spec
from styleflax.methods.base import Method
from styleflax.parallel import local_view
from styleflax.training.checkpoint import Checkpoints, installed_version
from styleflax.training.encoder import FILE_NAME, with_encoder
from styleflax.training.phases import build_methods, trained_players
from styleflax.training.step import TrainState, create_state, make_optimizer
from styleflax.weights.store import DEFAULTS, ModelFile, load_model


def read_run(workdir: Path, *, complete: bool = False) -> ModelFile:
    """Returns the model of a run, from its newest intact checkpoint.

    The run may still be training; nothing in its folder is changed.

    Args:
        workdir: The run's folder.
        complete: Whether to refuse a run that has not taken its last step.

    Raises:
        FileNotFoundError: If the folder holds no run, or none with a checkpoint.
        ValueError: If the run's configuration or encoder is damaged, or it must be
            complete and is not.
    """
    path = workdir / "config.json"
    if not path.is_file():
        raise FileNotFoundError(
            f"{workdir} has no run; start one with --workdir={workdir}"
        )
    config = _read_config(path)
    state, notes = _newest_state(workdir, config)
    num_steps = sum(phase.steps for phase in config.phases)
    if complete and state.step < num_steps:
        raise ValueError(
            f"the run in {workdir} has taken {int(state.step)} of {num_steps} steps: "
            "start it again, and it goes on"
        )
    return model_file(workdir, config, state, notes)


def model_file(
    workdir: Path,
    config: Config,
    state: TrainState,
    notes: Mapping[str, Any],
    scores: Mapping[str, float] | None = None,
) -> ModelFile:
    """The weights of a state as a model file: the running average, if there is one.

    Args:
        workdir: The run's folder.
        config: Configuration of the run.
        state: On the host or on devices.
        notes: Notes in its checkpoint.
        scores: On validation pictures, for the provenance.
    """
    encoder = load_model(workdir / FILE_NAME)
    variables = jax.device_get(local_view(state.shown()))
    method = build_methods(config)[-1]
    provenance = _provenance(config, int(state.step), method)
    if scores:
        provenance["scores"] = dict(scores)
    palettes = notes.get("palettes", {})
    known = methods.controls_of(method) | ({"color_match"} if palettes else set())
    on = [name for name in DEFAULTS if name in known]
    players = {
        **encoder.players,  # what the method kept frozen
        **{k: variables.players[k] for k in trained_players(config)},
    }
    # A network with an encoder of its own needs no judge once it is trained.
    encoder_params = encoder.encoder_params if method.encoder_layers else {}
    if method.trains_encoder:
        model = dict(players["model"])
        encoder_params = model.pop("encoder")
        players["model"] = model
    return ModelFile(
        method=config.method,
        encoder=encoder.encoder,
        encoder_params=encoder_params,
        players=players,
        state=variables.state,
        arithmetic=dataclasses.asdict(config.arithmetic),
        provenance=provenance,
        options=method.options,
        defaults=dict.fromkeys(on, 1.0),
        palettes=palettes,
    )


def _provenance(config: Config, steps: int, method: Method) -> dict[str, Any]:
    """How a run's parameters came about, without paths of this machine."""
    return {
        "steps": steps,
        "seed": config.seed,
        "content": describe_spec(config.data.content),
        "style": describe_spec(config.data.style),
        **_held_out(config.data),
        "phases": to_tree(config.phases),
        "encoder": {
            **dataclasses.asdict(config.encoder),
            "weights": Path(config.encoder.weights).name,
            **({"trained": True} if method.trains_encoder else {}),
        },
        "decoder": config.decoder,
        "init_from": Path(config.init_from).name,
        "encoder_layers": list(method.judge_layers or method.encoder_layers),
        "styleflax": installed_version("styleflax"),
        "jax": installed_version("jax"),
    }


def _held_out(data: Data) -> dict[str, Any]:
    if not data.validation_share:
        return {}
    fields = {
        "share": data.validation_share,
        "salt": data.validation_salt,
        "names": data.validation_names,
    }
    return {"validation": fields}


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


def _newest_state(
    workdir: Path, config: Config
) -> tuple[TrainState, Mapping[str, Any]]:
    """The state, and its notes."""
    folder = workdir / "checkpoints"
    method = build_methods(config)[-1]
    if method.trains_encoder:
        method = with_encoder(method, load_model(workdir / FILE_NAME))
    optimizer = make_optimizer(config.optimizer)

    def create() -> Any:
        return create_state(
            method, optimizer, config.seed, with_average=config.optimizer.ema > 0
        )

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
    return restored
