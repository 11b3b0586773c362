"""Optimizing images from files or arrays, with the controls of the stylizer."""

import dataclasses
import importlib.util
import os
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple, Unpack

import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from styleflax.images.files import load_image_u8, resize_short_side, to_float
from styleflax.images.listing import training_photos
from styleflax.images.read import Picture as PictureFile
from styleflax.inference.color import color_style, finish, target_region_masks
from styleflax.inference.contents import (
    Content,
    Picture,
    StylePixels,
    Stylized,
    ensure_float,
    load_contents,
    load_pixels,
)
from styleflax.inference.controls import ControlArguments, Plan, make_plan
from styleflax.inference.gatys.optimize import ProgressCallback, Regions, make_gatys
from styleflax.inference.gatys.presets import PRESETS, Settings, check_settings
from styleflax.inference.masks.layout import RegionMasks, make_region_masks
from styleflax.inference.styles.encode import see_style
from styleflax.models.normalization import normalize_activations
from styleflax.models.vgg import VGG, cut_params
from styleflax.types import Params
from styleflax.weights.encoder import load_encoder

_SIDE_PX = 224


def load_gatys_encoder(
    name_or_file: str | os.PathLike[str], layers: tuple[str, ...]
) -> Params:
    """Returns a VGG whose filters are scaled so that activations are about 1.

    Encoders of the package's models and the normalized VGG-19 are already scaled;
    others are scaled on the photos that come with scikit-image.

    Args:
        name_or_file: Argument of `weights.encoder.load_encoder`; "sanet" is a VGG-16
            down to relu5_1.
        layers: Layers whose features are used.

    Raises:
        FileNotFoundError: If there is no such encoder.
        ValueError: If it lacks a layer.
    """
    params, spec, is_trained_on = load_encoder(name_or_file)
    required = VGG(layers, spec.architecture, spec.convention).depth()
    if missing := [name for name in required if name not in params]:
        raise ValueError(
            f"encoder {os.fspath(name_or_file)!r} must have {missing[-1]}, which "
            "it lacks; use other layers, or an encoder such as vgg16 or vgg19"
        )
    params = cut_params(params, layers)
    if is_trained_on or spec.convention == "normalised":
        return params
    squares = [
        np.asarray(resize_short_side(load_image_u8(path), _SIDE_PX))
        for path in training_photos()
    ]
    batch_u8 = np.stack([one[:_SIDE_PX, :_SIDE_PX] for one in squares])
    return normalize_activations(params, jnp.asarray(to_float(batch_u8)), batch_size=1)


ENCODER = "sanet"
"""Default encoder: a VGG-16 down to relu5_1 that comes with the package."""


@dataclasses.dataclass(frozen=True)
class RunOptions:
    """Seed, checkpoint and reports of a long optimization.

    Attributes:
        seed: Seed of the initial noise and of style losses that sample positions.
        checkpoint: File that saves progress; see `make_gatys`.
        on_progress: Function that is called with the level and the new losses.
    """

    seed: int = 0
    checkpoint: Path | None = None
    on_progress: ProgressCallback | None = None


class Result(NamedTuple):
    """An optimized image.

    Attributes:
        picture: The result, which can be saved.
        losses: Losses as in `Optimized`.
    """

    picture: Stylized
    losses: Float[np.ndarray, "n 4"]


def optimize_picture(
    content: Picture,
    style: Picture | Sequence[Picture] = (),
    settings: Settings = PRESETS["default"],
    encoder: str | os.PathLike[str] = ENCODER,
    run_options: RunOptions = RunOptions(),
    start: Picture | None = None,
    **controls: Unpack[ControlArguments],
) -> Result:
    """Returns the content in the style of paintings, by optimization of its pixels.

    Args:
        content: A photo, as a file or an array.
        style: One painting or several; none if the style has no weight.
        settings: Settings of the optimization.
        encoder: Name or file of an encoder, see `load_gatys_encoder`.
        run_options: Seed, checkpoint and progress callback.
        start: Initial image of any size, such as a trained model's result; by default,
            `settings.init` chooses it.
        controls: Controls of `Stylizer`, except those of single methods; strengths
            are factors on the weight of the style.

    Raises:
        ValueError: If settings or controls are out of range or exclude each other.
        FileNotFoundError: If a file is missing.
    """
    several = isinstance(style, list | tuple) and not isinstance(style, PictureFile)
    styles: list[Picture] = list(style) if several else [style]  # type: ignore[arg-type, list-item]
    if not styles and settings.objective.style_weight:
        raise ValueError("a style must be given unless style_weight is 0, got none")
    plan = make_plan(max(1, len(styles)), **controls)
    if plan.refine:
        raise ValueError(
            "refine is available for trained methods only; set iterations instead"
        )
    if plan.extras:
        raise ValueError(
            f"{', '.join(plan.extras)}: available for trained methods only"
        )
    check_settings(
        settings, guided=bool({"masks", "style_masks"} & plan.used_controls())
    )
    one = _load_content(content, plan)
    height, width = one.image.shape[:2]
    masks = make_region_masks(plan.mask_set, height, width, one.alpha)
    paintings = _see_styles(styles, one, plan, masks)
    params = load_gatys_encoder(encoder, settings.objective.layers())
    optimized = make_gatys(params, settings)(
        ensure_float(one.image),
        [pixels.image for pixels in paintings],
        style_regions(plan, masks, [pixels.mask for pixels in paintings]),
        run_options.seed,
        run_options.checkpoint,
        run_options.on_progress,
        None if start is None else ensure_float(load_pixels(start)),
    )
    at_target = target_region_masks(masks, one, plan)
    return Result(
        Stylized(finish(optimized.image, one, at_target, plan)), optimized.losses
    )


def _load_content(content: Picture, plan: Plan) -> Content:
    with_alpha = plan.mask_set is not None and plan.mask_set.need_alpha
    contents, is_batch = load_contents(
        content, plan.size, restore_size=plan.restore_size, with_alpha=with_alpha
    )
    if is_batch:
        raise ValueError("content must be one image, got a batch")
    return contents[0]


def _see_styles(
    styles: Sequence[Picture], content: Content, plan: Plan, masks: RegionMasks | None
) -> list[StylePixels]:
    """Returns the styles at their size, in the content's colors if requested."""
    paintings = [
        see_style(style, plan.style_size, mask)
        for style, mask in zip(styles, plan.style_masks[: len(styles)], strict=True)
    ]
    if plan.color != "coral" or not paintings:
        return paintings
    columns = zip(paintings, np.transpose(plan.shares), strict=True)
    return [
        color_style(style, content.image, masks, shares) for style, shares in columns
    ]


def style_regions(
    plan: Plan, masks: RegionMasks | None, parts: Sequence[np.ndarray | None]
) -> Regions:
    """Returns the weights of the styles' losses, by region.

    Outside all masks the content keeps its pixels, so no style has weight there.

    Args:
        plan: The plan of the call; strengths are factors on the weights.
        masks: Masks at the size of the content; None for the whole content.
        parts: Mask of the part of every style to use, or None.
    """
    weights = np.asarray(plan.shares) * np.asarray(plan.strengths)[:, None]
    if masks is None:
        return Regions(weights.astype(np.float32), None, tuple(parts))
    rows = masks.shape[0] - len(weights)
    padded = np.pad(weights, ((0, rows), (0, 0))).astype(np.float32)
    return Regions(padded, np.asarray(masks[:, :]), tuple(parts))


def check_plot(path: Path | None) -> None:
    """Checks that a plot can be drawn; call it before a long optimization.

    Raises:
        ImportError: If matplotlib is not installed.
        ValueError: If the suffix is not a supported format.
    """
    if path is None:
        return
    if importlib.util.find_spec("matplotlib") is None:
        raise ImportError(
            '--plot needs matplotlib: run `pip install "styleflax[eval]"`'
        )
    allowed = (".png", ".svg", ".pdf")
    if path.suffix.lower() not in allowed:
        raise ValueError(f"--plot must end in {', '.join(allowed)}, got {str(path)!r}")


def plot_losses(path: Path, losses: Float[np.ndarray, "n 4"]) -> None:
    """Draws every term that is not 0 against iterations, on a logarithmic scale.

    Args:
        path: Path whose suffix names the format.
        losses: `methods.gatys.TERMS` for each iteration.
    """
    from matplotlib.figure import Figure  # noqa: PLC0415  (an extra)

    from styleflax.methods.gatys import TERMS  # noqa: PLC0415

    figure = Figure(figsize=(6.4, 4.0), layout="constrained")
    axes = figure.subplots()
    for term, values in zip(TERMS, losses.T, strict=True):
        if values.any():
            axes.plot(np.where(values > 0, values, np.nan), label=term)
    axes.set_yscale("log")
    axes.set_xlabel("iterations")
    axes.set_ylabel("loss, weighted")
    axes.legend()
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path)
