"""Arbitrary style transfer in JAX and Flax.

The public names are loaded on first access, so that importing the
package costs little. It adds to the flags that XLA reads when JAX starts: see
`compile_cache.options`.
"""

from typing import TYPE_CHECKING

from styleflax.compile_cache.options import set_compiler_options as _tell_compiler
from styleflax.lazy import lazy_names as _lazy_names

if TYPE_CHECKING:
    from styleflax.config import Config
    from styleflax.evaluation.runner import evaluate
    from styleflax.inference.contents import Stylized
    from styleflax.inference.stylizer import Stylizer
    from styleflax.methods import METHODS, build
    from styleflax.methods.model import build_model
    from styleflax.training.export import read_run
    from styleflax.training.loop import train
    from styleflax.weights.store import ModelFile, load_model, save_model

_tell_compiler()

__version__ = "0.2.0"

__all__ = [
    "METHODS",
    "Config",
    "ModelFile",
    "Stylized",
    "Stylizer",
    "build",
    "build_model",
    "evaluate",
    "load_model",
    "read_run",
    "save_model",
    "train",
]

_HOMES = {
    "METHODS": "methods.model",
    "Config": "config",
    "ModelFile": "weights.store",
    "Stylized": "inference.contents",
    "Stylizer": "inference.stylizer",
    "build": "methods.model",
    "build_model": "methods.model",
    "evaluate": "evaluation.runner",
    "load_model": "weights.store",
    "read_run": "training.export",
    "save_model": "weights.store",
    "train": "training.loop",
}


__getattr__, __dir__ = _lazy_names(__name__, _HOMES)
