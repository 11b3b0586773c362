"""The images of a run: sources, the held-out part, and the batches of each phase."""

import contextlib
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple, cast

import jax
import jax.numpy as jnp
import numpy as np

from styleflax.config import Config
from styleflax.datasets.manifest import make_manifest, split_digest, split_sources
from styleflax.datasets.pipeline import (
    PairStream,
    PictureSource,
    center_crop,
    make_pair_stream,
)
from styleflax.datasets.sources import open_source
from styleflax.distributed import on_all, on_first
from styleflax.files import find_cache_dir
from styleflax.images.decoding import ImageError
from styleflax.images.files import to_float
from styleflax.images.listing import RULES
from styleflax.methods.base import Batch, Method
from styleflax.ops.color_match import color_palette
from styleflax.training.device_dataset import (
    DeviceImages,
    DevicePairs,
    load_device_images,
)
from styleflax.training.workdir import check_pictures, recorded_rules


def read_palettes(
    method: Method, styles: PictureSource, style_px: int
) -> dict[str, dict[str, Any]]:
    """The palettes of a method's own styles by their names, as JSON has them.

    Args:
        method: The method; those that take paintings have none.
        styles: The pictures of its styles, in order.
        style_px: Side of the squares at which they are seen.
    """
    palettes = {}
    for index, name in enumerate(method.styles):
        square = to_float(center_crop(styles[index], style_px))
        palette = color_palette(jnp.asarray(square)[None])
        palettes[name] = {
            k: np.asarray(v).tolist() for k, v in palette._asdict().items()
        }
    return palettes


Sources = tuple[PictureSource, PictureSource]


class Pictures(NamedTuple):
    """Contents and styles to train on, and those that are held out, if any."""

    train: Sources
    validation: Sources | None


# Apart from the seeds of phases, which are small numbers.
_ENCODER_SEED_OFFSET = 1_000_003


def open_sources(config: Config, workdir: Path | None = None) -> Sources:
    """Contents and styles, prepared where they have not been before.

    Args:
        config: Configuration of the run.
        workdir: Its folder, in which the pictures are recorded before they are
            prepared; all processes must call it together then. None records nothing.

    Raises:
        ValueError: If they are not those that the run began with.
        FileNotFoundError: If they are missing.
    """
    data = config.data
    folder = Path(data.data_dir) if data.data_dir else find_cache_dir() / "datasets"
    places, rules = (folder, data.manual_dir or None), RULES
    specs = {"content": data.content, "style": data.style}

    def check(workdir: Path) -> None:
        found = {k: make_manifest(spec, *places, rules) for k, spec in specs.items()}
        check_pictures(workdir, config, rules, found)

    if workdir is not None:
        rules = on_all(lambda: recorded_rules(workdir))
        on_first(lambda: check(workdir))
    content, style = (open_source(spec, *places, rules) for spec in specs.values())
    return content, style


def cut_validation(config: Config, sources: Sources) -> Pictures:
    """The pictures to train on, and those to validate on, where there are any.

    Of a method with styles of its own, contents alone are split.

    Raises:
        ValueError: If one of the sides is left without pictures.
    """
    data = config.data
    if not data.validation_share:
        return Pictures(sources, None)
    num_split = 1 if data.style_px else 2
    rule = data.validation_share, data.validation_salt, data.validation_names
    train, held_out = split_sources(sources[:num_split], *rule)
    others = sources[num_split:]
    sides = (cast(Sources, (*side, *others)) for side in (train, held_out))
    return Pictures(*sides)


def describe_split(config: Config, validation: Sources | None) -> dict[str, Any]:
    """How many pictures are held out by which rule, for checkpoints and exports."""
    if validation is None:
        return {}
    data = config.data
    held_out = validation[: 1 if data.style_px else 2]
    return {
        "share": data.validation_share,
        "salt": data.validation_salt,
        "names": data.validation_names,
        "num_pictures": [len(source) for source in held_out],
        "digest": split_digest(held_out),
    }


def scored_batch(config: Config, validation: Sources) -> Batch:
    """Validation pairs as middle squares, uint8; the same at every step."""
    squares = [
        _first_squares(source, config.run.num_scored, config.run.score_px)
        for source in validation
    ]
    count = min(config.run.num_scored, max(len(found) for found, _ in squares))
    turns = [np.arange(count) % len(found) for found, _ in squares]
    batch = {
        role: found[turn]
        for role, (found, _), turn in zip(
            ("content", "style"), squares, turns, strict=True
        )
    }
    if config.data.style_px:
        batch["style_index"] = squares[1][1][turns[1]]
    return batch


def _first_squares(
    source: PictureSource, most: int, side_px: int
) -> tuple[np.ndarray, np.ndarray]:
    """Middle squares of the first pictures that can be decoded, and their places."""
    found: dict[int, np.ndarray] = {}
    for index in range(len(source)):
        if len(found) == most:
            break
        with contextlib.suppress(ImageError):
            found[index] = center_crop(source[index], side_px)
    if not found:
        raise ImageError(f"no picture of {source!r} can be decoded")
    return np.stack(list(found.values())), np.array(list(found), np.int32)


def check_styles(config: Config, method: Method, sources: Sources) -> None:
    """Refuses style pictures that are not those of a method with styles of its own.

    Raises:
        ValueError: Naming the fields of the configuration.
    """
    if not method.styles:
        return
    if config.data.style_px < 1:
        raise ValueError(
            f"data.style_px must be above 0 for {config.method}, whose styles are "
            f"fixed pictures, got {config.data.style_px}"
        )
    if len(sources[1]) != len(method.styles):
        raise ValueError(
            f"options.styles names {len(method.styles)} styles "
            f"({', '.join(method.styles)}), but data.style={config.data.style!r} holds "
            f"{len(sources[1])} pictures"
        )


def phase_batches(
    config: Config, sources: Sources, index: int
) -> Callable[[int], Iterator[Batch]]:
    """`batches(first)`: this process's shares of a phase's batches from a step on.

    Each phase has its own order. Pictures that are held on the device are decoded when
    `batches` is called, since there may be room for those of one phase alone.
    """

    def open_stream() -> PairStream | DevicePairs:
        return _stream(
            config,
            sources,
            index,
            config.seed + index,
            share=(jax.process_index(), jax.process_count()),
            style_px=config.data.style_px,
        )

    if config.data.on_device:
        return lambda first: open_stream().iterate(first)
    stream, run = open_stream(), config.run
    assert isinstance(stream, PairStream)
    return partial(
        stream.iterate, num_workers=run.num_workers, num_threads=run.num_threads
    )


def encoder_batch(config: Config, sources: Sources) -> Batch:
    """Pictures to measure the encoder on, all cropped as in the first phase."""
    size = max(config.encoder.num_images // 2, 1)
    seed = config.seed + _ENCODER_SEED_OFFSET
    return _stream(config, sources, 0, seed, batch_size=size).batch_at(0)


def sample_batch(config: Config, sources: Sources) -> Batch:
    """The pictures of the sample grids, the same at every step."""
    seed = config.seed + _ENCODER_SEED_OFFSET + 1
    last = len(config.phases) - 1
    size = config.run.num_samples
    whole_px = config.data.style_px
    stream = _stream(config, sources, last, seed, batch_size=size, style_px=whole_px)
    return stream.batch_at(0)


# By source, which is kept so that no other gets its number, size and form.
_kept: dict[tuple[int, int, bool], tuple[PictureSource, DeviceImages]] = {}
_MOST_KEPT = 3  # contents and styles of a phase, and styles seen whole


def _hold(
    source: PictureSource, short_px: int, *, square: bool = False
) -> DeviceImages:
    """The pictures of a source, decoded once."""
    key = id(source), short_px, square
    if key not in _kept:
        if len(_kept) >= _MOST_KEPT:
            _kept.clear()  # those of an earlier phase
        _kept[key] = source, load_device_images(source, short_px, square=square)
    return _kept[key][1]


def _stream(
    config: Config,
    sources: Sources,
    index: int,
    seed: int,
    batch_size: int | None = None,
    share: tuple[int, int] = (0, 1),
    style_px: int = 0,
) -> PairStream | DevicePairs:
    phase = config.phases[index]
    if config.data.on_device:
        content = _hold(sources[0], phase.resize_px)
        style = _hold(sources[1], style_px or phase.resize_px, square=style_px > 0)
        return DevicePairs(
            content,
            style,
            crop_px=phase.crop_px,
            batch_size=batch_size or phase.batch_size,
            seed=seed,
            flip=config.data.flip,
            fixed_styles=style_px > 0,
            share=share,
        )
    return make_pair_stream(
        *sources,
        crop_px=phase.crop_px,
        resize_px=phase.resize_px,
        batch_size=batch_size or phase.batch_size,
        seed=seed,
        flip=config.data.flip,
        style_px=style_px,
        process_index=share[0],
        process_count=share[1],
    )
