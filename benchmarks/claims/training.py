"""Trains the sides of a claim: same pictures, same order, same steps."""

import functools
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from styleflax.config import (
    Config,
    Optimizer,
    Phase,
    Schedule,
    from_json,
    to_json,
)
from styleflax.images.files import load_image_u8, resize_short_side
from styleflax.images.listing import list_images
from styleflax.methods.base import Method, Variables, plain_controls, stylize
from styleflax.parallel import make_put, map_step, replicate
from styleflax.training.phases import build_method
from styleflax.training.step import (
    create_state,
    make_optimizer,
    make_schedule,
    make_train_step,
)
from styleflax.weights.encoder import load_encoder

Build = Callable[[Config, Phase], Method]
"""From a configuration and its phase to the method, as `build_method`."""
Begin = Callable[[Variables], Variables]
"""From a method's first variables to those that the training begins with."""


class Budget(NamedTuple):
    """What every side of a claim gets.

    Attributes:
        content: Folder of photographs to train on.
        style: Folder of paintings.
        eval_content: Folder of photographs to measure on.
        eval_style: Folder of paintings.
        steps: Number of training steps.
        crop_px: Side of the crops.
        batch_size: Pairs in a step.
        pairs: Contents and styles that are measured, all by all.
        picture_px: Side of the pictures of claims 7 and 8.
        iterations: Iterations of the optimization in claim 7.
        models: Files of models with styles of their own, called like the paintings:
            beside the packaged ones in claim 7, those of one method together.
        start: Start of the decoders of claims 1 to 3: "inverse" of the encoder, or
            "random".
        clip_norm: Norm that gradients are cut to before Adam; 0 for as they are.
    """

    content: Path
    style: Path
    eval_content: Path
    eval_style: Path
    steps: int = 150
    crop_px: int = 64
    batch_size: int = 4
    pairs: tuple[int, int] = (4, 6)
    picture_px: int = 256
    iterations: int = 300
    models: tuple[Path, ...] = ()
    start: str = "inverse"
    clip_norm: float = Optimizer().clip_norm

    def describe(self) -> str:
        """In words, for the page."""
        clipped = "" if self.clip_norm else ", gradients as they are"
        return (
            f"{self.steps} steps of {self.batch_size} pairs of {self.crop_px} px, one "
            f"seed{clipped}; measured on {self.pairs[0]} x {self.pairs[1]} pairs that "
            "were not trained on"
        )


class Trained(NamedTuple):
    """A side after its training.

    Attributes:
        method: What was trained.
        variables: What it came to.
        frozen: The encoder.
        losses: Losses of every step, by name.
    """

    method: Method
    variables: Variables
    frozen: Mapping[str, Any]
    losses: dict[str, list[float]]

    def apply(self, contents: np.ndarray, styles: np.ndarray) -> np.ndarray:
        """Every content in the style beside it, RGB in [0, 1]."""

        @jax.jit
        def one(variables, frozen, content, style):
            picture = {"image": style, "style_index": jnp.zeros(1, jnp.int32)}
            kept = self.method.encode_style(variables, frozen, picture)
            controls = plain_controls()
            return stylize(self.method, variables, frozen, content, [kept], controls)

        pairs = zip(contents, styles, strict=True)
        made = [one(self.variables, self.frozen, c[None], s[None])[0] for c, s in pairs]
        return np.clip(np.asarray(made), 0.0, 1.0)


def load_squares(folder: Path, number: int, side_px: int) -> np.ndarray:
    """The middle squares of a folder's first pictures, RGB in [0, 1]."""
    return np.stack([_cut(path, side_px, None) for path in _paths(folder)[:number]])


def picture_names(folder: Path, number: int) -> tuple[str, ...]:
    """What the files of `load_squares` are called, without suffix."""
    return tuple(path.stem for path in _paths(folder)[:number])


def load_crops(
    folder: Path, number: int, side_px: int, seed: int, zoom: float = 2.5
) -> np.ndarray:
    """Random squares of a folder's pictures, `zoom` times as large at first."""
    rng = np.random.default_rng(seed)
    paths = _paths(folder)
    chosen = [paths[i % len(paths)] for i in range(number)]
    return np.stack([_cut(path, side_px, rng, zoom) for path in chosen])


def _paths(folder: Path) -> list[Path]:
    return sorted(list_images(folder))


def _cut(path: Path, side_px: int, rng: Any, zoom: float = 1.0) -> np.ndarray:
    image = np.asarray(resize_short_side(load_image_u8(path), round(zoom * side_px)))
    room = np.array(image.shape[:2]) - side_px
    top, left = room // 2 if rng is None else rng.integers(room + 1)
    cut = image[top : top + side_px, left : left + side_px]
    return cut.astype(np.float32) / 255.0


def pair_batches(
    contents: np.ndarray, styles: np.ndarray, size: int, seed: int = 0
) -> Iterator[dict[str, np.ndarray]]:
    """Batches without end; mirrored at random, each style with its index."""
    rng = np.random.default_rng(seed)
    while True:
        batch = {"style_index": rng.integers(len(styles), size=size).astype(np.int32)}
        batch["content"] = contents[rng.integers(len(contents), size=size)]
        batch["style"] = styles[batch["style_index"]]
        if rng.random() < 0.5:
            batch |= {k: batch[k][:, :, ::-1] for k in ("content", "style")}
        yield batch


def make_config(
    budget: Budget, losses: Mapping[str, float], rate: float = 5e-4, **fields: Any
) -> Config:
    """One phase of the budget's length, cosine schedule."""
    phase = Phase(
        steps=budget.steps,
        batch_size=budget.batch_size,
        crop_px=budget.crop_px,
        losses=dict(losses),
        schedule=Schedule("cosine", rate, warmup_steps=min(10, budget.steps // 4)),
    )
    optimizer = Optimizer(clip_norm=budget.clip_norm)
    return Config(phases=(phase,), optimizer=optimizer, **fields)


@functools.cache
def _program(config_text: str, build: Build) -> tuple[Method, Any, Any]:
    """Method, optimizer and step; those of the same configuration compile once."""
    config = from_json(config_text)
    phase = config.phases[0]
    method, optimizer = build(config, phase), make_optimizer(config.optimizer)
    schedule = make_schedule(phase.schedule, phase.steps)
    step = make_train_step(method, optimizer, schedule)
    return method, optimizer, map_step(step, jax.devices()[:1])


def train(
    config: Config,
    batches: Iterator[dict[str, np.ndarray]],
    begin: Begin | None = None,
    frozen: Mapping[str, Any] | None = None,
    build: Build = build_method,
) -> Trained:
    """A method after the steps of the configuration's one phase."""
    phase = config.phases[0]
    method, optimizer, step = _program(to_json(config), build)
    state = create_state(method, optimizer, config.seed)
    if begin is not None:
        state = state._replace(variables=begin(state.variables))
    # A step takes its state's arrays for its result; those of a start are shared.
    state = jax.tree.map(np.array, state)
    encoder = load_encoder(config.encoder.weights).params
    constants = {"encoder": encoder, **(frozen or {})}
    devices = jax.devices()[:1]
    put, losses = make_put(devices), {}
    state, on_device = replicate(state, devices), replicate(constants, devices)
    for _ in range(phase.steps):
        state, metrics = step(state, on_device, put(next(batches)))
        for name, value in jax.device_get(metrics).items():
            losses.setdefault(name, []).append(float(value))
    variables = jax.device_get(state.variables)
    return Trained(method, variables, constants, losses)
