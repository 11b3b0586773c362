"""Arguments and flags of `styleflax gatys`, and the settings that they make."""

from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:  # imported late, as it takes a second
    from styleflax.inference.gatys import Settings


class Optimizer(StrEnum):
    """How pixels are optimised."""

    LBFGS = "lbfgs"
    ADAM = "adam"


class Pooling(StrEnum):
    """How the network's maps are halved."""

    MAX = "max"
    AVERAGE = "average"


Photo = Annotated[Path, typer.Argument(help="A photograph; it gives the size.")]
Paintings = Annotated[
    list[Path] | None,
    typer.Argument(help="One or several; none with --style-weight 0."),
]
Out = Annotated[Path, typer.Option("-o", "--out", help="A file.")]
Preset = Annotated[
    str,
    typer.Option(
        help="default, paper, notebook, notebook-pyramid, neural-style or cnnmrf."
    ),
]
Iterations = Annotated[
    str | None, typer.Option(help="How many; for each level of a pyramid: 500,200.")
]
Levels = Annotated[
    int | None,
    typer.Option("--pyramid", help="Levels, each of twice the side; 1 is the size."),
]
WhichOptimizer = Annotated[Optimizer | None, typer.Option("--optimizer")]
LearningRate = Annotated[float | None, typer.Option(help="Of Adam; a pixel is 0 to 1.")]
Memory = Annotated[int | None, typer.Option(help="Pairs that L-BFGS remembers.")]
InitAs = Annotated[
    str | None,
    typer.Option(
        help="What the picture begins as: content, noise, style, or the result of a "
        "model: adain, sanet, lite or a model file. The default is that of the "
        "preset, and noise where the content or the style has no weight."
    ),
]
WhichPooling = Annotated[Pooling | None, typer.Option("--pooling")]
ContentWeight = Annotated[
    float | None, typer.Option(help="0 makes a texture of the style alone.")
]
StyleWeight = Annotated[
    float | None, typer.Option(help="0 shows what layers know of the content.")
]
VariationWeight = Annotated[float | None, typer.Option(help="Of total variation.")]
ContentLayers = Annotated[
    str | None, typer.Option("--content-layer", help="One, or several: relu4_2.")
]
StyleLayers = Annotated[
    str | None, typer.Option("--style-layers", help="Joined by commas: relu1_1,relu2_1")
]
LayerWeights = Annotated[
    str | None, typer.Option(help="Of the style layers, joined by commas.")
]
StyleLoss = Annotated[
    str | None, typer.Option(help="Of docs/losses.md: gram, or gram:1,mrf:0.1")
]
Encoder = Annotated[
    str, typer.Option(help="A VGG: sanet (of the package), vgg16, vgg19 or a file.")
]
Checkpoint = Annotated[
    Path | None,
    typer.Option(help="A file; the same command goes on from it after a kill."),
]
Plot = Annotated[Path | None, typer.Option(help="A file for the losses as a plot.")]
Seed = Annotated[int, typer.Option(help="Of the noise.")]


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
        how: Optimiser, learning rate, memory, start, levels, pooling.
        weights: Of content, style and variation.
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
