"""The styles that a model file says are its own, without reading the model."""

import json
import os

import safetensors

from styleflax.weights.packaged_models import find_model


def own_styles(name_or_file: str | os.PathLike[str]) -> tuple[str, ...]:
    """Names of a model's own styles; () if it takes paintings, or is damaged.

    A damaged file is for `store.load_model` to report.

    Raises:
        FileNotFoundError: If there is no such model.
    """
    path = find_model(name_or_file)
    try:
        with safetensors.safe_open(str(path), framework="numpy") as file:
            header = json.loads((file.metadata() or {})["styleflax"])
        names = header.get("options", {}).get("styles", [])
        return tuple(str(name) for name in names)
    except (safetensors.SafetensorError, KeyError, TypeError, ValueError):
        return ()
    except (AttributeError, RecursionError):  # JSON that is no such tree
        return ()
