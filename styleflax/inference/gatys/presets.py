"""Settings of an optimization of pixels, and presets of published programs."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Literal, NamedTuple, get_args

from styleflax.config import StyleTerm
from styleflax.losses.perceptual import find_style_loss
from styleflax.methods.features import CRITIC_LAYERS
from styleflax.methods.gatys import GUIDED, Objective, Reduction

Init = Literal["content", "noise", "style"]
OptimizerName = Literal["lbfgs", "adam"]


class Settings(NamedTuple):
    """Settings of an optimization.

    Attributes:
        objective: The objective to minimize.
        init: What the optimization starts from.
        optimizer: `lbfgs` or `adam`.
        iterations: Number of iterations at each level of the pyramid, coarse to fine;
            one number applies to all levels.
        levels: Number of levels of the pyramid; each has twice the side of the previous
            one.
        learning_rate: Learning rate of Adam, in units of the range of a pixel.
        memory_size: Number of past steps that L-BFGS stores; each takes the memory of
            two images.
    """

    objective: Objective = Objective()
    init: Init = "content"
    optimizer: OptimizerName = "lbfgs"
    iterations: tuple[int, ...] = (300,)
    levels: int = 1
    learning_rate: float = 0.02
    memory_size: int = 20

    def iterations_at(self, level: int) -> int:
        """Returns the iterations at a level, from 0 for the coarsest."""
        return self.iterations[level if len(self.iterations) > 1 else 0]


_NOTEBOOK = Objective(
    style_weight=1e3,
    layer_weights=(1.0,) * 5,
    channel_power=2,
    style_losses=(("gram_squared", 1.0),),
)
PRESETS: Mapping[str, Settings] = MappingProxyType(
    {
        "default": Settings(Objective(style_weight=10.0)),
        # Gatys et al. 2016: alpha / beta is 1e-3, the loss of a layer a quarter of
        # the mean squared difference, which `gram_squared` is.
        "paper": Settings(
            Objective(
                style_weight=1e3,
                content_reduction="half_sum",
                layer_weights=(1 / 5 / 4,) * 5,
                style_losses=(("gram_squared", 1.0),),
                pooling="average",
            ),
            init="noise",
        ),
        # The notebook of Gatys' code in PyTorch.
        "notebook": Settings(_NOTEBOOK, iterations=(500,)),
        # The same with its second stage, at twice the side.
        "notebook-pyramid": Settings(_NOTEBOOK, iterations=(500, 200), levels=2),
        # The program of Justin Johnson.
        "neural-style": Settings(
            Objective(
                content_weight=5.0,
                style_weight=1e2,
                variation_weight=1e-3,
                layer_weights=(1.0,) * 5,
                channel_power=2,
                style_losses=(("gram_squared", 1.0),),
                variation_reduction="half_sum",
            ),
            init="noise",
            iterations=(1000,),
            learning_rate=10 / 255,
        ),
        # The program of Li and Wand (2016). The gradient of its style loss is 1e-4
        # times the distance to the matched patches, that of half a sum of squares;
        # its content loss is a mean.
        "cnnmrf": Settings(
            Objective(
                content_weight=20.0,
                variation_weight=1e-3,
                content_layers=("relu4_1",),
                style_layers=("relu3_1", "relu4_1"),
                layer_weights=(1e-4, 1e-4),
                style_losses=(("mrf_stride2", 1.0),),
                variation_reduction="half_sum",
                style_reduction="half_sum",
            ),
            iterations=(100,),
            levels=3,
            memory_size=25,
        ),
    }
)


def check_settings(settings: Settings, *, guided: bool) -> Settings:
    """Checks settings and returns them.

    Args:
        settings: Settings to check.
        guided: Whether masks are used.

    Raises:
        ValueError: If a setting is not allowed.
    """
    objective = settings.objective
    _check_choices(settings)
    for name, weight in (
        ("content_weight", objective.content_weight),
        ("style_weight", objective.style_weight),
        ("variation_weight", objective.variation_weight),
        *((f"the weight of {name}", w) for name, w in objective.style_losses),
        *(("layer_weights", weight) for weight in objective.layer_weights or ()),
    ):
        if not 0.0 <= weight < float("inf"):
            raise ValueError(f"{name} must be finite and at least 0, got {weight}")
    for name in ("content_layers", "style_layers"):
        layers = getattr(objective, name)
        if len(set(layers)) < len(layers):
            raise ValueError(f"{name} must not repeat a layer, got {layers}")
    if not objective.layers():
        raise ValueError(
            "content_weight or style_weight must be above 0 and have a layer"
        )
    weights = objective.layer_weights
    if weights is not None and len(weights) != len(objective.style_layers):
        raise ValueError(
            f"layer_weights must be one per style layer, got {len(weights)} for "
            f"{len(objective.style_layers)}"
        )
    for name, _ in objective.style_losses if objective.style_weight else ():
        _check_style_loss(name, objective.style_layers, guided=guided)
    return settings


def _check_choices(settings: Settings) -> None:
    for name, value, allowed in (
        ("init", settings.init, get_args(Init)),
        ("optimizer", settings.optimizer, get_args(OptimizerName)),
        ("pooling", settings.objective.pooling, ("max", "average")),
        *(
            (name, getattr(settings.objective, name), get_args(Reduction))
            for name in ("content_reduction", "variation_reduction", "style_reduction")
        ),
    ):
        if value not in allowed:
            raise ValueError(f"{name} must be one of {allowed}, got {value!r}")
    number = len(settings.iterations)
    if settings.levels < 1 or number not in {1, settings.levels}:
        raise ValueError(
            f"iterations must be one number or one per level, got {number} for "
            f"{settings.levels} levels"
        )
    if min(settings.iterations) < 1 or settings.memory_size < 1:
        raise ValueError(
            f"iterations and memory_size must be at least 1, got "
            f"{settings.iterations} and {settings.memory_size}"
        )
    if not 0.0 < settings.learning_rate < float("inf"):
        raise ValueError(f"learning_rate must be above 0, got {settings.learning_rate}")


def _check_style_loss(name: str, layers: tuple[str, ...], *, guided: bool) -> None:
    base = StyleTerm.parse(name).loss
    if base in CRITIC_LAYERS:
        raise ValueError(
            f"style loss {name!r} requires a critic that is trained with a network, so "
            "it is not available here"
        )
    loss = find_style_loss(name)
    if missing := [layer for layer in loss.layers if layer not in layers]:
        raise ValueError(
            f"style loss {name!r} needs {', '.join(loss.layers)}, but style_layers "
            f"lacks {', '.join(missing)}"
        )
    if guided and base not in GUIDED:
        raise ValueError(
            f"style loss {name!r} does not support masks; these do: {', '.join(GUIDED)}"
        )
