"""The frozen encoder of a run: made once, then read from the run's folder."""

from pathlib import Path

import jax.numpy as jnp
import numpy as np

from styleflax.config import Config
from styleflax.methods.base import Variables
from styleflax.models.vgg import cut_params, normalise_activations
from styleflax.training.feed import Sources, encoder_batch
from styleflax.weights.encoder import load_encoder
from styleflax.weights.store import ModelFile, check_params, load_model, save_model

FILE_NAME = "encoder.safetensors"


def open_encoder(
    config: Config,
    layers: tuple[str, ...],
    workdir: Path,
    sources: Sources,
) -> ModelFile:
    """The run's encoder as a model file without trained parts.

    Written to the workdir when a run starts for the first time, so that
    whatever happens to its pictures later, it goes on with the same one.
    """
    path = workdir / FILE_NAME
    if not path.exists():
        if config.init_from:
            start = load_model(config.init_from)
            encoder = start._replace(players={}, state={})
        else:
            params, spec = load_encoder(config.encoder.weights)
            params = cut_params(params, layers)
            if config.encoder.statistic != "none":
                batch = encoder_batch(config, sources)
                pictures = np.concatenate([batch["content"], batch["style"]])
                images = jnp.asarray(pictures, jnp.float32) / 255.0
                params = normalise_activations(params, images, config.encoder.statistic)
            encoder = ModelFile(config.method, spec, params, {}, {}, {}, {})
        save_model(path, encoder, dtype=np.float32)
    return load_model(path)


def start_from(path: str, method: str, variables: Variables) -> Variables:
    """Variables of a model file, checked against those that `method` has.

    Raises:
        ValueError: If the file holds another method, or other parameters.
    """
    model = load_model(path)
    if model.method != method:
        raise ValueError(f"{path} holds the method {model.method!r}, not {method!r}")
    for player, params in variables.players.items():
        check_params(params, model.players.get(player, {}), f"{path}, {player}")
    return Variables(model.players, model.state)
