"""Training one new style for a model with many styles."""

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from styleflax.config import (
    Arithmetic,
    Config,
    Data,
    Losses,
    Phase,
    Run,
    Schedule,
    read_term,
)
from styleflax.files import check_file
from styleflax.methods import NEW_STYLE
from styleflax.methods.feed_forward import FEED_FORWARD_LOSSES
from styleflax.weights.store import find_model, load_model


@dataclasses.dataclass(frozen=True)
class NewStyle:
    """Settings of a style to add.

    Attributes:
        painting: File of the painting.
        weights: Name or file of the model.
        photos: Data set of contents, as for `datasets.sources.open_source`.
        steps: Number of training steps.
        batch_size: Number of photographs per step.
        crop_px: Side of their crops.
        style_px: Side to which the painting's middle square is resized.
        learning_rate: Highest learning rate.
        losses: Weights by term; None for those of the model's last phase, which fit
            its encoder.
    """

    painting: Path
    weights: str
    photos: str = "sample_photos"
    steps: int = 200
    batch_size: int = 2
    crop_px: int = 128
    style_px: int = 256
    learning_rate: float = 1e-2
    losses: Losses | None = None


def new_style_config(asked: NewStyle) -> Config:
    """Returns the configuration of a run that trains only the style's parameters.

    Raises:
        FileNotFoundError: If the painting or the model is missing.
        ValueError: If the model is damaged, or of a method to which no style can be
            added.
    """
    check_file(asked.painting, "the painting", "an image")
    path = find_model(asked.weights)
    model = load_model(path)
    if model.method not in NEW_STYLE:
        raise ValueError(
            f"the model must be of method {', '.join(NEW_STYLE)}, got "
            f"{model.method!r}; use `styleflax style save` for methods that need no "
            "training"
        )
    options: dict[str, Any] = {**model.options, "styles": [asked.painting.stem]}
    losses = asked.losses or _own_losses(model.provenance)
    # A short side above the crop's, as photographs are rarely squares of its size.
    phase = Phase(
        asked.steps,
        asked.batch_size,
        asked.crop_px,
        2 * asked.crop_px,
        {read_term(term): weight for term, weight in losses.items()},
        Schedule("cosine", asked.learning_rate, min(10, asked.steps - 1)),
    )
    return Config(
        method=NEW_STYLE[model.method],
        init_from=str(path),
        options=options,
        arithmetic=Arithmetic(**model.arithmetic),
        data=Data(
            content=asked.photos,
            style=f"pictures:{asked.painting}",
            style_px=asked.style_px,
        ),
        phases=(phase,),
        # One device, as small batches cannot be dealt out over many.
        run=Run(
            num_devices=1,
            checkpoint_every_steps=100,
            sample_every_steps=0,
            tensorboard=False,
        ),
    )


def _own_losses(provenance: Mapping[str, Any]) -> Losses:
    """The losses that a model was trained by at last, but for those with a critic.

    A critic judges a network that learns all its styles, and model files hold none.
    """
    match provenance:
        case {"mean_of": [*_, dict(last)]}:
            return _own_losses(last)
        case {"phases": [*_, {"losses": dict(losses)}]}:
            learnt: dict[str, float] = losses
        case _:
            learnt = {}
    losses_left = {k: w for k, w in learnt.items() if not k.startswith("adversarial")}
    return losses_left or FEED_FORWARD_LOSSES
