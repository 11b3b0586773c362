"""What published programs have: arithmetic, loss weights, a run for one painting."""

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

from styleflax.config import (
    Arithmetic,
    Config,
    Data,
    Encoder,
    JohnsonOptions,
    Optimizer,
    Phase,
    StyleTerm,
    Term,
)


class Preset(NamedTuple):
    """The arithmetic of a published program.

    Attributes:
        method: A name in `styleflax.methods.METHODS`.
        arithmetic: Goes into the model file of converted weights.
        losses: Weights by term, for training on from there.
    """

    method: str
    arithmetic: Arithmetic
    losses: Mapping[str, float]


_UNBIASED = Arithmetic(ddof=1, eps=1e-5, style_eps=1e-5, reduction="channel_mean")
_LUA = Arithmetic(ddof=0, eps=1e-5, style_eps=0.0, reduction="channel_sum")
_SANET_LOSSES = {
    "content": 1.0,
    "style": 3.0,
    "identity_pixels": 50.0,
    "identity_features": 1.0,
}

PRESETS: Mapping[str, Preset] = MappingProxyType(
    {
        # naoto0804/pytorch-AdaIN: function.py, net.py, train.py.
        "adain-naoto": Preset("adain", _UNBIASED, {"content": 1.0, "style": 10.0}),
        # xunhuang1995/AdaIN-style: style weight 1e-2 is train.lua's default, which
        # made decoder-content-similar.t7; 1e-1 made decoder.t7 (README). The 1e-6 of
        # its style loss only guards a gradient, so nothing is added there.
        "adain-lua": Preset("adain", _LUA, {"content": 1.0, "style": 0.1}),
        "adain-lua-content-similar": Preset(
            "adain", _LUA, {"content": 1.0, "style": 0.01}
        ),
        # GlebSBrykin/SANET, Train.ipynb: the identity weights are those of the
        # paper's erratum; the paper prints 1 and 50.
        "sanet-public": Preset("sanet", _UNBIASED, _SANET_LOSSES),
        "sanet-paper-print": Preset(
            "sanet",
            _UNBIASED,
            _SANET_LOSSES | {"identity_pixels": 1.0, "identity_features": 50.0},
        ),
    }
)


def gram_losses(channels: Mapping[str, int], weight: float) -> dict[Term, float]:
    """Weights of squared differences of Gram matrices that are divided by c h w.

    Args:
        channels: Channels c by layer.
        weight: Weight of a layer's sum over the c x c entries, divided by c^2.
    """
    return {
        StyleTerm("gram_squared", (layer,)): weight / c**2
        for layer, c in channels.items()
    }


def one_painting(painting: str, encoder: str, phase: Phase, **options: Any) -> Config:
    """A run of Johnson et al.'s network with instance normalization for a painting.

    Args:
        painting: Its file; empty for a procedural one.
        encoder: Model file of the encoder that judges, as it was published.
        phase: The only phase.
        options: Further fields of `JohnsonOptions`.
    """
    name = Path(painting).stem or "style"
    source = "procedural_art:num_pictures=1,size_px=256,seed=6"
    style = f"pictures:{painting}" if painting else source
    return Config(
        method="johnson",
        options=JohnsonOptions(styles=(name,), norm="instance", **options),
        encoder=Encoder(weights=encoder, statistic="none"),
        data=Data(style=style, style_px=256, flip=False),
        optimizer=Optimizer(clip_norm=0.0),
        phases=(phase,),
    )
