"""Outside weight files and our own model files, as parameter trees."""

from typing import TYPE_CHECKING

from styleflax.lazy import lazy_names

if TYPE_CHECKING:
    from styleflax.weights.encoder import average_models, load_encoder
    from styleflax.weights.fetch import WeightsError
    from styleflax.weights.inventory import list_weights, verify
    from styleflax.weights.store import (
        EncoderSpec,
        ModelFile,
        find_model,
        load_model,
        model_digest,
        save_model,
    )

__all__ = [
    "EncoderSpec",
    "ModelFile",
    "WeightsError",
    "average_models",
    "find_model",
    "list_weights",
    "load_encoder",
    "load_model",
    "model_digest",
    "save_model",
    "verify",
]

__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "EncoderSpec": "store",
        "ModelFile": "store",
        "WeightsError": "fetch",
        "average_models": "encoder",
        "find_model": "store",
        "list_weights": "inventory",
        "load_encoder": "encoder",
        "load_model": "store",
        "model_digest": "store",
        "save_model": "store",
        "verify": "inventory",
    },
)
