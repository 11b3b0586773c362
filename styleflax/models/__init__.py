"""Linen modules: no loss, no files."""

from typing import TYPE_CHECKING

from styleflax.lazy import lazy_names

if TYPE_CHECKING:
    from styleflax.models.critic import PatchCritic
    from styleflax.models.inversion import invert_encoder
    from styleflax.models.lite import LiteDecoder, LiteEncoder
    from styleflax.models.sanet import SANet
    from styleflax.models.transformer_net import TransformerNet
    from styleflax.models.vgg import VGG, Decoder

__all__ = [
    "VGG",
    "Decoder",
    "LiteDecoder",
    "LiteEncoder",
    "PatchCritic",
    "SANet",
    "TransformerNet",
    "invert_encoder",
]

__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "VGG": "vgg",
        "Decoder": "vgg",
        "LiteDecoder": "lite",
        "LiteEncoder": "lite",
        "PatchCritic": "critic",
        "SANet": "sanet",
        "TransformerNet": "transformer_net",
        "invert_encoder": "inversion",
    },
)
