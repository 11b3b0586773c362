"""Optimization of an image over the levels of a pyramid, in chunks of iterations."""

import time
from collections.abc import Callable, Sequence
from functools import cache, partial
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Float

from styleflax.images.decoding import MIN_SIDE_PX
from styleflax.inference.gatys.descent import (
    Descent,
    Optimizer,
    Progress,
    fingerprint,
    load_progress,
    make_adam,
    make_lbfgs,
    save_progress,
)
from styleflax.inference.gatys.presets import Settings, check_settings
from styleflax.memory import explain_memory_errors, guard_jit, refuse_fork
from styleflax.methods.gatys import TERMS, Targets, find_targets, picture_loss
from styleflax.types import Image, Params

Size = tuple[int, int]
"""Height and width in px."""


class Regions(NamedTuple):
    """The regions of the styles.

    Attributes:
        weights: Weights of every style in every region.
        masks: Masks of the regions, which sum to 1; None for a single region.
        style_masks: Mask of the part of every style to use, or () for whole styles.
    """

    weights: Float[np.ndarray, "r s"]
    masks: Float[np.ndarray, "r h w"] | None = None
    style_masks: tuple[Float[np.ndarray, "_ _"] | None, ...] = ()

    @property
    def are_guided(self) -> bool:
        """Whether any mask is used."""
        return self.masks is not None or any(x is not None for x in self.style_masks)


class Inputs(NamedTuple):
    """Images from which a result is optimized; RGB in [0, 1].

    Attributes:
        content: Content, with the size of the result.
        styles: Styles of any size.
        regions: Regions of the styles.
        start: Initial image of any size; None for the choice of `Settings.init`.
    """

    content: Float[np.ndarray, "h w 3"]
    styles: Sequence[Float[np.ndarray, "_ _ 3"]]
    regions: Regions
    start: Float[np.ndarray, "_ _ 3"] | None = None


def level_sizes(size: Size, levels: int) -> list[Size]:
    """Returns the sizes of a pyramid's levels, coarse to fine; the last is `size`.

    Raises:
        ValueError: If a side of the coarsest level is below 16 px.
    """
    sizes = [
        (round(size[0] / 2**k), round(size[1] / 2**k)) for k in reversed(range(levels))
    ]
    if min(sizes[0]) < MIN_SIDE_PX:
        raise ValueError(
            f"levels={levels} of an image of {size[1]}x{size[0]} px start below "
            f"{MIN_SIDE_PX} px; use fewer levels"
        )
    return sizes


def at_level(inputs: Inputs, sizes: Sequence[Size], level: int) -> tuple[Any, ...]:
    """Returns the arguments of `find_targets`, with images resized for a level."""
    scale = 2.0 ** (len(sizes) - 1 - level)
    styles = [
        resized(x[None], (round(x.shape[0] / scale), round(x.shape[1] / scale)))
        for x in inputs.styles
    ]
    weights, masks, parts = inputs.regions
    content = resized(inputs.content[None], sizes[level])
    return content, styles, masks, jnp.asarray(weights), parts


def first_image(inputs: Inputs, init: str, size: Size, key: Array) -> Image:
    """Returns the initial image of the coarsest level.

    Raises:
        ValueError: If `init` is "style" and there is no style.
    """
    if inputs.start is not None:
        return resized(inputs.start[None], size)
    if init == "noise":
        return jax.random.uniform(key, (1, *size, 3))
    if init == "content":
        return resized(inputs.content[None], size)
    if not inputs.styles:
        raise ValueError("init='style' requires a style")
    return resized(inputs.styles[0][None], size)


def next_image(inputs: Inputs, image: Image, size: Size) -> Image:
    """Returns the initial image of a finer level.

    It is the enlarged result of the previous level. If there is a start image, only
    the change from it is enlarged, so that its details are retained.

    Args:
        inputs: Inputs of the optimization.
        image: The result of the previous level.
        size: Size of the finer level.
    """
    if inputs.start is None:
        return resized(image, size)
    start = inputs.start[None]
    change = image - resized(start, (image.shape[1], image.shape[2]))
    return resized(start, size) + resized(change, size)


def resized(image: Float[Array | np.ndarray, "1 h w 3"], size: Size) -> Image:
    """Returns a bicubically resized image, antialiased; unchanged at equal size."""
    if image.shape[1:3] == size:
        return jnp.asarray(image)
    return jax.image.resize(image, (1, *size, 3), "cubic", antialias=True)


CHUNK = 10
"""Iterations on the device between reports to the host."""
SAVE_EVERY_S = 20.0
Picture = Float[np.ndarray, "_ _ 3"]


class Optimized(NamedTuple):
    """An optimized image and its losses.

    Attributes:
        image: RGB in [0, 1].
        losses: `methods.gatys.TERMS` at the start and after every iteration, for all
            levels in order.
    """

    image: Float[np.ndarray, "h w 3"]
    losses: Float[np.ndarray, "n 4"]


ProgressCallback = Callable[[int, Float[np.ndarray, "n 4"]], None]
"""Function of (level, new losses); the first call has those of a checkpoint, if any."""


def make_gatys(encoder: Params, settings: Settings) -> Callable[..., Optimized]:
    """Returns a function that stylizes a content by optimization.

    `gatys(content, styles, regions=None, seed=0, checkpoint=None, on_progress=None,
    start=None)`: images are RGB in [0, 1], (h, w, 3); without regions, all styles are
    blended equally; `start` is an initial image in place of the settings' choice. Each
    size compiles once. With the path of a checkpoint, it continues an interrupted call
    with the same arguments, and the result equals that of an uninterrupted call to the
    bit; after completion the file remains and gives the result at once.

    Args:
        encoder: Parameters of a VGG with all layers that are compared.
        settings: Settings of the optimization.

    Raises:
        ValueError: If settings are out of range, a level would be too small, or a
            checkpoint belongs to another call.
    """
    # These fields do not affect the programs, so that they are compiled once.
    programs = _programs(settings._replace(init="content", iterations=(1,), levels=1))
    refuse_fork()
    encoder = jax.device_put(encoder)

    def gatys(
        content: Picture,
        styles: Sequence[Picture],
        regions: Regions | None = None,
        seed: int = 0,
        checkpoint: Path | None = None,
        on_progress: ProgressCallback | None = None,
        start: Picture | None = None,
    ) -> Optimized:
        refuse_fork()
        even = np.full((1, len(styles)), 1 / max(1, len(styles)), np.float32)
        inputs = Inputs(content, styles, regions or Regions(even), start)
        check_settings(settings, guided=inputs.regions.are_guided)
        progress = _descend_all(
            programs, settings, encoder, inputs, seed, checkpoint, on_progress
        )
        image = np.clip(np.asarray(progress.descent.image[0]), 0.0, 1.0)
        return Optimized(image, progress.losses)

    return gatys


class _Programs(NamedTuple):
    """The programs of the device, each compiled once for a size.

    Attributes:
        start: Function of (image, number of terms) that returns a `Descent`.
        advance: Function of (encoder, targets, key, descent, number of iterations)
            that returns the next `Descent` and the losses.
        prepare: `find_targets` without its first argument, the objective.
    """

    start: Callable[..., Descent]
    advance: Callable[..., tuple[Descent, Array]]
    prepare: Callable[..., Targets]


@cache
def _programs(settings: Settings) -> _Programs:
    objective = settings.objective
    optimizer: Optimizer = (
        make_lbfgs(settings.memory_size)
        if settings.optimizer == "lbfgs"
        else make_adam(settings.learning_rate)
    )

    def advance(
        encoder: Params, targets: Targets, key: Array, descent: Descent, number: Array
    ) -> tuple[Descent, Array]:
        def evaluate(image: Image) -> tuple[tuple[Array, Array], Image]:
            def loss(image: Image) -> tuple[Array, Array]:
                return picture_loss(objective, encoder, image, targets, key)

            return jax.value_and_grad(loss, has_aux=True)(image)

        def body(i: Array, carry: tuple[Descent, Array]) -> tuple[Descent, Array]:
            at, losses = carry
            at = optimizer.advance(evaluate, at)
            return at, losses.at[i].set(at.terms)

        losses = jnp.zeros((CHUNK, len(TERMS)))
        return lax.fori_loop(0, number, body, (descent, losses))

    prepare = guard_jit(jax.jit(partial(find_targets, objective)))
    start = jax.jit(optimizer.start, static_argnums=1)
    return _Programs(start, guard_jit(jax.jit(advance)), prepare)


def _descend_all(
    programs: _Programs,
    settings: Settings,
    encoder: Params,
    inputs: Inputs,
    seed: int,
    checkpoint: Path | None,
    on_progress: ProgressCallback | None,
) -> Progress:
    """Optimizes all levels, from the state of the checkpoint on."""
    sizes = level_sizes(inputs.content.shape[:2], settings.levels)
    key, number = jax.random.key(seed), len(TERMS)

    def begin(size: Size) -> Descent:
        return programs.start(first_image(inputs, settings.init, size, key), number)

    origin = fingerprint(settings, encoder, inputs, seed)
    progress = load_progress(checkpoint, origin, begin)
    if progress is None:
        progress = Progress(begin(sizes[0]), 0, 0, np.zeros((0, number), np.float32))
    elif on_progress is not None:
        on_progress(progress.level, progress.losses)
    for level in range(progress.level, settings.levels):
        if level > progress.level:
            image = next_image(inputs, progress.descent.image, sizes[level])
            progress = Progress(
                programs.start(image, number), level, 0, progress.losses
            )
        if progress.done > settings.iterations_at(level):
            continue
        height, width = sizes[level]
        doing = f"optimizing the pixels of an image of {width} x {height} px"
        with explain_memory_errors(doing, "use a smaller --size"):
            targets = programs.prepare(encoder, *at_level(inputs, sizes, level))
            level_key = jax.random.fold_in(key, level)
            progress = _descend(
                progress,
                partial(programs.advance, encoder, targets, level_key),
                settings.iterations_at(level),
                lambda state: save_progress(checkpoint, origin, state),
                on_progress,
            )
    return progress


def _descend(
    progress: Progress,
    advance: Callable[[Descent, Array], tuple[Descent, Array]],
    iterations: int,
    save: Callable[[Progress], None],
    on_progress: ProgressCallback | None,
) -> Progress:
    """Optimizes the rest of a level; the first step only computes the initial loss."""
    total = iterations + 1
    saved = time.monotonic()
    while progress.done < total:
        number = min(CHUNK, total - progress.done)
        descent, losses = advance(progress.descent, jnp.asarray(number))
        chunk_losses = np.asarray(losses)[:number]
        if not np.isfinite(chunk_losses).all():
            raise ValueError(
                "the loss must be finite, got inf or NaN: use smaller weights, or "
                "check the encoder with `styleflax weights verify`"
            )
        done = progress.done + number
        progress = Progress(
            descent,
            progress.level,
            done,
            np.concatenate([progress.losses, chunk_losses]),
        )
        if done == total or time.monotonic() - saved > SAVE_EVERY_S:
            save(progress)
            saved = time.monotonic()
        if on_progress is not None:
            on_progress(progress.level, chunk_losses)
    return progress
