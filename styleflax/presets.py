"""Arithmetic and loss weights under which published weights were trained."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

from styleflax.config import Arithmetic


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
