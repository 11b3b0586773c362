"""The frozen encoder of a run: made once, then read from the run's folder."""

import logging
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

from styleflax.config import Config
from styleflax.methods.base import BeginFrom, Method, Variables
from styleflax.models.inversion import invert_encoder
from styleflax.models.normalization import (
    extend_params,
    normalize_activations,
    scale_deepest,
)
from styleflax.models.vgg import VGG, cut_params, scale_widths
from styleflax.training.sources import Sources, encoder_batch
from styleflax.types import Key, Params
from styleflax.weights.encoder import LoadedEncoder, load_encoder
from styleflax.weights.store import (
    EncoderSpec,
    ModelFile,
    check_params,
    find_model,
    load_model,
    save_model,
)

FILE_NAME = "encoder.safetensors"
RANDOM = "random"
"""In place of an encoder's weights, for tests and experiments."""
logger = logging.getLogger(__name__)


def open_encoder(
    config: Config, method: Method, workdir: Path, sources: Sources
) -> ModelFile:
    """The run's encoder as a model file without trained parts of this run.

    Its players are what else stays frozen; see `Method.begin_from`.

    Written to the workdir when a run starts for the first time, so that
    whatever happens to its pictures later, it goes on with the same one.
    """
    path = workdir / FILE_NAME
    if not path.exists():
        initial = _make_encoder(config, method, sources)
        if method.begin_from is not None:
            initial = initial._replace(players=_frozen_of(config, method.begin_from))
        save_model(path, initial, dtype=np.float32)
    return load_model(path)


def _make_encoder(config: Config, method: Method, sources: Sources) -> ModelFile:
    """The encoder of `init_from`, extended to all layers if needed; else a new one.

    Where the encoder is trained, that of `init_from` is what it begins as, and the
    judge is made anew.
    """
    layers = method.judge_layers or method.encoder_layers
    start: Params = {}
    if config.init_from and not method.trains_encoder:
        model = load_model(find_model(config.init_from))
        spec, start = model.encoder, model.encoder_params
        _check_width(start, method, f"the encoder of {config.init_from}")
        needed = VGG(layers, spec.architecture, spec.convention).depth()
        if start.keys() >= set(needed):
            return model._replace(method=config.method, players={}, state={})
    if config.encoder.weights == RANDOM:
        params, spec, is_trained_on = _random_encoder(config, method, layers)
    else:
        params, spec, is_trained_on = load_encoder(config.encoder.weights)
    _check_width(params, method, f"encoder.weights={config.encoder.weights!r}")
    needed = VGG(layers, spec.architecture, spec.convention).depth()
    if missing := [name for name in needed if name not in params]:
        raise ValueError(
            f"encoder.weights={config.encoder.weights!r} lacks {', '.join(missing)}, "
            f"which {config.method} needs: take an encoder that has it, such as "
            "--config.encoder.weights=vgg16"
        )
    params = cut_params(params, layers)
    if start:
        try:
            params = extend_params(start, params)
        except ValueError as error:
            raise ValueError(
                f"the encoder of {config.init_from} ends before {layers[-1]} and "
                "cannot be extended from "
                f"encoder.weights={config.encoder.weights!r}: {error}"
            ) from error
    statistic = config.encoder.statistic
    if statistic == "auto":
        statistic = "none" if is_trained_on else "rms"
        logger.info("encoder.statistic=auto: %s", statistic)
    if statistic != "none":
        batch = encoder_batch(config, sources)
        pictures = np.concatenate([batch["content"], batch["style"]])
        images = jnp.asarray(pictures, jnp.float32) / 255.0
        params = normalize_activations(params, images, statistic, kept=set(start))
        params = scale_deepest(params, config.encoder.deepest_scale)
    return ModelFile(config.method, spec, params, {}, {}, {}, {})


def _random_encoder(
    config: Config, method: Method, layers: tuple[str, ...]
) -> LoadedEncoder:
    """A VGG-16 of random filters, of the method's width."""
    network = VGG(layers, widths=scale_widths(method.encoder_width))
    image = jnp.zeros((1, 16, 16, 3))
    params = network.init(jax.random.key(config.seed), image)["params"]
    spec = EncoderSpec("vgg16", "torchvision")
    return LoadedEncoder(jax.tree.map(np.asarray, params), spec, is_trained_on=False)


def _check_width(params: Params, method: Method, what: str) -> None:
    for block, wanted in enumerate(scale_widths(method.encoder_width), start=1):
        name = f"conv{block}_1"
        if name in params and (found := len(params[name]["bias"])) != wanted:
            raise ValueError(
                f"{what} must have {wanted} channels at {name} for a method with an "
                f"encoder of width {method.encoder_width:g}, got {found}: set the "
                f"option `width`, or take --config.encoder.weights={RANDOM}"
            )


def with_encoder(method: Method, encoder: ModelFile) -> Method:
    """The method whose first variables hold a copy of the encoder, if it trains one."""
    if not method.trains_encoder:
        return method

    def init(key: Key) -> Variables:
        variables = method.init(key)
        copy = cut_params(encoder.encoder_params, method.encoder_layers)
        model = {**variables.players["model"], "encoder": copy}
        players = {**variables.players, "model": model}
        return variables._replace(players=players)

    return method._replace(init=init)


def _frozen_of(config: Config, begin_from: BeginFrom) -> dict[str, Params]:
    if not config.init_from:
        raise ValueError(
            f"{config.method} begins from a model file: give --config.init_from=FILE"
        )
    model = load_model(find_model(config.init_from))
    return begin_from(model.method, model.players)[1]


def start_from(
    path: str,
    method: str,
    variables: Variables,
    begin_from: BeginFrom | None = None,
    *,
    trains_encoder: bool = False,
) -> Variables:
    """Variables that begin as those of a model file.

    The file may be of another method that has parts in common, by name and shape
    (AdaIN's decoder in a SANet): the other parts stay as they are in `variables`.

    Args:
        path: The file, or the name of a packaged model.
        method: That the variables are of.
        variables: Variables of a new run.
        begin_from: See `Method`.
        trains_encoder: See `Method`.

    Raises:
        FileNotFoundError: If there is neither a file nor a model of that name.
        ValueError: If the file holds parts that the method has not.
    """
    model = load_model(find_model(path))
    if trains_encoder:
        model = _with_encoder_inside(path, model, variables)
    if begin_from is not None:
        begun, _ = begin_from(model.method, model.players)
        same = {name: variables.players[name] for name in begun}
        check_params(same, begun, f"{path}, as a start of {method!r}")
        return Variables({**variables.players, **begun}, variables.state)
    if model.method == method:
        begun = dict(variables.players)
        for player, params in variables.players.items():
            if player == "model" or player in model.players:
                found = model.players.get(player, {})
                check_params(params, found, f"{path}, {player}")
                begun[player] = found
            else:  # of the losses, which no file keeps
                logger.info("%s holds no %s: it begins anew", path, player)
        return Variables(begun, model.state)
    players = dict(variables.players)
    for player, parts in model.players.items():
        own = players.get(player, {})
        shared = {name: part for name, part in own.items() if name in parts}
        what = f"{path}, of the method {model.method!r}, as a start of {method!r}"
        check_params(shared, parts, what)
        players[player] = {**own, **parts}
        logger.info("%s begins as in %s", ", ".join(sorted(parts)), path)
    return Variables(players, variables.state)


def _with_encoder_inside(
    path: str, model: ModelFile, variables: Variables
) -> ModelFile:
    """A model file whose trained part holds its encoder, as deep as the variables'."""
    own = variables.players["model"]["encoder"]
    encoder = {k: v for k, v in model.encoder_params.items() if k in own}
    if encoder.keys() != own.keys():
        try:
            encoder = dict(extend_params(encoder, own))
        except ValueError as error:
            raise ValueError(
                f"the encoder of {path} ends too early, and cannot be extended from "
                f"the one that judges: {error}"
            ) from error
    part = {**model.players.get("model", {}), "encoder": encoder}
    return model._replace(players={**model.players, "model": part})


def start_anew(
    config: Config, encoder: ModelFile, sources: Sources, variables: Variables
) -> Variables:
    """Variables whose decoder begins as `config.decoder` says.

    Raises:
        ValueError: If that is unknown, or the method has no such decoder.
    """
    if config.decoder == "random":
        return variables
    if config.decoder != "inverse":
        raise ValueError(
            f"decoder must be 'random' or 'inverse', got {config.decoder!r}"
        )
    own = variables.players["model"]
    batch = encoder_batch(config, sources)
    pictures = np.concatenate([batch["content"], batch["style"]])
    height, width = (side // 8 * 8 for side in pictures.shape[1:3])
    images = jnp.asarray(pictures[:, :height, :width], jnp.float32) / 255.0
    logger.info("fitting the decoder to undo the encoder: takes a minute on a CPU")
    decoder = invert_encoder(encoder.encoder_params, images)
    check_params({name: own.get(name, {}) for name in decoder}, decoder, "decoder")
    players = {**variables.players, "model": {**own, **decoder}}
    return Variables(players, variables.state)
