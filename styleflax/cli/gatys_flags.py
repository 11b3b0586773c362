"""Arguments and flags of `styleflax gatys`, and the settings that they make."""

from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:  # imported late, as it takes a second
    from styleflax.inference.gatys import Settings


class Optimizer(StrEnum):
    """Optimizer of the pixels."""

    LBFGS = "lbfgs"
    ADAM = "adam"


class Pooling(StrEnum):
    """Pooling of the encoder."""

    MAX = "max"
    AVERAGE = "average"


Photo = Annotated[Path, typer.Argument(help="Photo; the result has its size.")]
Paintings = Annotated[
    list[Path] | None,
    typer.Argument(help="Paintings, one or more; none with --style-weight 0."),
]
Out = Annotated[Path, typer.Option("-o", "--out", help="File for the result.")]
Preset = Annotated[
    str,
    typer.Option(
        help="Settings to start from: default, paper, notebook, notebook-pyramid, "
        "neural-style or cnnmrf."
    ),
]
Iterations = Annotated[
    str | None,
    typer.Option(
        help="Number of iterations, or one number per level of a pyramid: 500,200."
    ),
]
Levels = Annotated[
    int | None,
    typer.Option(
        "--pyramid",
        help="Number of resolution levels; each level doubles the side. 1 optimizes "
        "at full size only.",
    ),
]
WhichOptimizer = Annotated[
    Optimizer | None,
    typer.Option(
        "--optimizer", help="Optimizer of the pixels. Default: set by --preset."
    ),
]
LearningRate = Annotated[
    float | None, typer.Option(help="Learning rate of Adam, for pixels in [0, 1].")
]
Memory = Annotated[
    int | None, typer.Option(help="Number of past steps that L-BFGS stores.")
]
InitAs = Annotated[
    str | None,
    typer.Option(
        help="Start from content, noise, style, or the result of a model (adain, "
        "sanet, lite or a model file). Default: set by --preset, or noise if "
        "the weight of content or style is 0."
    ),
]
WhichPooling = Annotated[
    Pooling | None,
    typer.Option("--pooling", help="Pooling of the encoder. Default: set by --preset."),
]
ContentWeight = Annotated[
    float | None,
    typer.Option(
        help="Weight of the content loss; 0 synthesizes a texture from the painting."
    ),
]
StyleWeight = Annotated[
    float | None,
    typer.Option(help="Weight of the style loss; 0 inverts the content features."),
]
VariationWeight = Annotated[
    float | None, typer.Option(help="Weight of total variation.")
]
ContentLayers = Annotated[
    str | None,
    typer.Option(
        "--content-layer", help="Content layers, separated by commas: relu4_2."
    ),
]
StyleLayers = Annotated[
    str | None,
    typer.Option(
        "--style-layers", help="Style layers, separated by commas: relu1_1,relu2_1."
    ),
]
LayerWeights = Annotated[
    str | None, typer.Option(help="Weights of the style layers, separated by commas.")
]
StyleLoss = Annotated[
    str | None,
    typer.Option(
        help="Style loss by its name in docs/losses.md, or several with weights: "
        "gram:1,mrf:0.1."
    ),
]
Encoder = Annotated[
    str,
    typer.Option(
        help="Encoder: sanet (the packaged VGG-16), vgg16, vgg19 or a weight file."
    ),
]
Checkpoint = Annotated[
    Path | None,
    typer.Option(
        help="File that saves progress; after an interruption, the same command "
        "continues from it."
    ),
]
Plot = Annotated[Path | None, typer.Option(help="File for a plot of the losses.")]
Seed = Annotated[int, typer.Option(help="Seed of the noise.")]


_HOW = ("optimizer", "learning_rate", "memory_size", "init", "levels", "pooling")
_WEIGHTS = ("content_weight", "style_weight", "variation_weight")


def read_settings(
    preset: str,
    how: Sequence[Any],
    weights: Sequence[float | None],
    lists: Sequence[str | None],
) -> "Settings":
    """A preset with what flags change of it; None changes nothing.

    Args:
        preset: Its name.
        how: Optimizer, learning rate, memory, start, levels, pooling.
        weights: Weights of content, style and variation.
        lists: Iterations, content layers, style layers, their weights, style losses;
            each as on the command line.

    Raises:
        ValueError: If one does not read so, or there is no such preset.
    """
    from styleflax.inference.gatys import PRESETS  # noqa: PLC0415

    if preset not in PRESETS:
        raise ValueError(f"--preset must be one of {', '.join(PRESETS)}, got {preset}")
    settings = PRESETS[preset]
    values = dict(zip((*_HOW, *_WEIGHTS), (*how, *weights), strict=True))
    given = {name: value for name, value in values.items() if value is not None}
    # Members of enumerations are strings, but print as something else.
    given = {k: str(v) if isinstance(v, str) else v for k, v in given.items()}
    given |= _read_lists(settings, *lists)
    objective = settings.objective
    parts = {name: given.pop(name) for name in objective._fields if name in given}
    objective = objective._replace(**parts)
    if not (objective.content_weight and objective.style_weight):
        given.setdefault("init", "noise")
    if "levels" in given:
        given.setdefault("iterations", settings.iterations[:1])
    return settings._replace(objective=objective, **given)


def _read_lists(
    settings: "Settings",
    iterations: str | None,
    content_layers: str | None,
    style_layers: str | None,
    layer_weights: str | None,
    style_loss: str | None,
) -> dict[str, Any]:
    """Fields that are lists; weights follow layers, being alike in every preset."""
    given: dict[str, Any] = {}
    if iterations is not None:
        numbers = _numbers(iterations, "--iterations")
        if not all(number.is_integer() for number in numbers):
            raise ValueError(f"--iterations must be whole numbers, got {iterations}")
        given["iterations"] = tuple(int(number) for number in numbers)
    if content_layers is not None:
        given["content_layers"] = _words(content_layers)
    if style_layers is not None:
        given["style_layers"] = _words(style_layers)
        if alike := settings.objective.layer_weights:
            given["layer_weights"] = alike[:1] * len(given["style_layers"])
    if layer_weights is not None:
        given["layer_weights"] = _numbers(layer_weights, "--layer-weights")
    if style_loss is not None:
        given["style_losses"] = _losses(style_loss)
    return given


def _words(text: str) -> tuple[str, ...]:
    return tuple(word.strip() for word in text.split(","))


def _numbers(text: str, flag: str) -> tuple[float, ...]:
    try:
        return tuple(float(word) for word in text.split(","))
    except ValueError:
        raise ValueError(
            f"{flag} must be numbers joined by commas, got {text!r}"
        ) from None


def _losses(text: str) -> tuple[tuple[str, float], ...]:
    found: list[tuple[str, float]] = []
    for word in _words(text):
        name, _, weight = word.partition(":")
        found.append((name, _numbers(weight or "1", "--style-loss")[0]))
    return tuple(found)
