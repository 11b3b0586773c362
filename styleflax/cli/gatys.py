"""`styleflax gatys`: a photograph in a painting's style, by optimization of pixels."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, get_args

import numpy as np

from styleflax.cli import gatys_flags as flags
from styleflax.cli import options
from styleflax.cli.controls import Looks, read_looks, read_style_masks
from styleflax.files import check_file, make_folder
from styleflax.inference.folders.outputs import check_picture_file
from styleflax.inference.folders.sources import assign_style_masks, one_picture
from styleflax.inference.gatys.pictures import check_plot, plot_losses

if TYPE_CHECKING:
    from styleflax.inference.controls import ControlArguments
    from styleflax.inference.gatys import Settings


def gatys(
    photo: flags.Photo,
    paintings: flags.Paintings = None,
    out: flags.Out = Path("gatys.png"),
    preset: flags.Preset = "default",
    iterations: flags.Iterations = None,
    pyramid: flags.Levels = None,
    optimizer: flags.WhichOptimizer = None,
    learning_rate: flags.LearningRate = None,
    memory: flags.Memory = None,
    init: flags.InitAs = None,
    pooling: flags.WhichPooling = None,
    content_weight: flags.ContentWeight = None,
    style_weight: flags.StyleWeight = None,
    variation_weight: flags.VariationWeight = None,
    content_layer: flags.ContentLayers = None,
    style_layers: flags.StyleLayers = None,
    layer_weights: flags.LayerWeights = None,
    style_loss: flags.StyleLoss = None,
    blend: options.Blend = None,
    mask: options.Masks = None,
    style_mask: options.StyleMasks = None,
    feather: options.Feather = 0.0,
    color: options.WhatColor = options.Color.STYLE,
    size: options.Size = None,
    restore_size: options.RestoreSize = False,
    style_size: options.StyleSize = None,
    encoder: flags.Encoder = "sanet",
    checkpoint: flags.Checkpoint = None,
    plot: flags.Plot = None,
    seed: flags.Seed = 0,
    overwrite: options.Overwrite = False,
) -> None:
    """Optimize the pixels of a photo by Gatys' method (slow).

    Several paintings require --blend or --mask.
    """
    _check_files([photo, *(paintings or [])], (out, plot, checkpoint), overwrite)
    start, init = _split_init(init)
    settings = flags.read_settings(
        preset,
        (optimizer, learning_rate, memory, init, pyramid, pooling),
        (content_weight, style_weight, variation_weight),
        (iterations, content_layer, style_layers, layer_weights, style_loss),
    )
    looks = Looks(
        blend=blend,
        mask=mask,
        feather=feather,
        color=color,
        size=size,
        restore_size=restore_size,
        style_size=style_size,
    )
    job = _Job(photo, paintings or [], settings, encoder, style_mask, looks, start)
    losses = _make(job, out, seed, checkpoint)
    if plot is not None:
        plot_losses(plot, losses)
    print(out)


class _Job(NamedTuple):
    """What is to be made: arguments as on the command line, but for the settings.

    Its start is the model whose result the picture begins as, or None.
    """

    photo: Path
    paintings: list[Path]
    settings: "Settings"
    encoder: str
    style_masks: list[str] | None
    looks: Looks
    start: Path | None


def _make(job: _Job, out: Path, seed: int, checkpoint: Path | None) -> np.ndarray:
    """Writes the picture and returns the losses on the way to it."""
    # Imported late, so that --help and mistakes answer at once.
    from styleflax.inference.gatys import RunOptions, optimize_picture  # noqa: PLC0415

    number = len(job.paintings)
    controls, _ = read_looks(job.looks, max(1, number))
    if number > 1 and "masks" in controls and not one_picture(controls):
        raise ValueError(
            f"one --mask must have one painting, got {number}; name the painting with "
            "--mask FILE:STYLE, or blend them with --mask FILE:SHARES"
        )
    masks = read_style_masks(job.style_masks)
    controls["style_masks"] = assign_style_masks(masks, max(1, number))
    start = None if job.start is None else _begin(job, controls)
    resumed = checkpoint is not None and checkpoint.exists()
    with _Progress(job.settings, resumed=resumed) as on_progress:
        run_options = RunOptions(seed, checkpoint, on_progress)
        given = (job.photo, job.paintings, job.settings, job.encoder)
        result = optimize_picture(*given, run_options, start=start, **controls)
    result.picture.save(out)
    return result.losses


def _split_init(init: str | None) -> tuple[Path | None, str | None]:
    """Returns the model file that `--init` names, or else its word."""
    from styleflax.inference.gatys.presets import Init  # noqa: PLC0415
    from styleflax.weights.store import find_model  # noqa: PLC0415

    words = get_args(Init)
    if init is None or init in words:
        return None, init
    try:
        return find_model(init), None
    except FileNotFoundError as error:
        raise FileNotFoundError(
            f"--init must be one of {', '.join(words)}, or a model: {error}"
        ) from None


def _begin(job: _Job, controls: "ControlArguments") -> np.ndarray:
    """Returns what a trained model makes of the same pictures, as it decodes it."""
    from styleflax.inference.stylizer import Stylizer  # noqa: PLC0415

    assert job.start is not None
    if not job.paintings:
        raise ValueError("--init with a model requires a painting")
    changes: ControlArguments = {"restore_size": False}
    if controls.get("color") != "coral":
        changes["color"] = "style"  # the photo's colors return after optimization
    looks: ControlArguments = {**controls, **changes}
    return Stylizer.load(job.start)(job.photo, list(job.paintings), **looks).array


class _Progress:
    """A bar on standard error, if that is a terminal, with the losses.

    Args:
        settings: Settings of the picture; they tell how many iterations there are.
        resumed: Whether the first losses reported are those of an earlier run.
    """

    def __init__(self, settings: "Settings", *, resumed: bool) -> None:
        from tqdm import tqdm  # noqa: PLC0415

        levels = range(settings.levels)
        total = sum(settings.iterations_at(level) + 1 for level in levels)
        shown = sys.stderr.isatty()
        self._bar = tqdm(total=total, unit="it", disable=not shown, file=sys.stderr)
        self._resumed = resumed

    def __enter__(self) -> "_Progress":
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.close()

    def __call__(self, level: int, losses: np.ndarray) -> None:
        total, content, style = losses[-1][:3]
        self._bar.set_postfix_str(
            f"level {level + 1}, loss {total:.4g}, content {content:.4g}, "
            f"style {style:.4g}",
            refresh=False,
        )
        if self._resumed:  # took no time here, so it is not of the speed
            bar, self._resumed = self._bar, False
            bar.initial = bar.n = bar.last_print_n = len(losses)
            bar.refresh()
        else:
            self._bar.update(len(losses))


def _check_files(
    pictures: list[Path],
    written: tuple[Path, Path | None, Path | None],
    overwrite: bool,
) -> None:
    out, plot, _ = written
    check_plot(plot)
    check_picture_file(out, overwrite=overwrite)
    names = ["PHOTO", *["PAINTING"] * (len(pictures) - 1)]
    for path, name in zip(pictures, names, strict=True):
        check_file(path, name, "an image", "`styleflax stylize` takes folders")
    for file in filter(None, written):
        make_folder(file.parent)
