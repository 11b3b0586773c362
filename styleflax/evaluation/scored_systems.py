"""The systems of one evaluation, and the digests of their files."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from styleflax.evaluation.inputs import Pair, distinct_names
from styleflax.evaluation.systems import (
    System,
    describe_gatys,
    find_outputs,
    make_baselines,
    make_gatys_system,
    make_model_system,
    make_outputs_system,
)
from styleflax.files import file_sha256
from styleflax.inference.controls import check_alpha
from styleflax.methods.model import build_model
from styleflax.weights.store import ModelFile, find_model, load_model, model_digest

ALPHAS = (0.0, 0.25, 0.5, 0.75, 1.0)
"""Strengths at which models are scored by default."""


class ScoredSystems(NamedTuple):
    """The systems of one evaluation.

    Attributes:
        systems: Models in the order given, optimizations, outputs, baselines.
        digests: Digests of files, by kind and name; see `rows.open_folder`.
    """

    systems: list[System]
    digests: dict[str, dict[str, str]]


def load_systems(
    weights: Sequence[str | os.PathLike[str]],
    alphas: Sequence[float],
    outputs: Sequence[tuple[str, Path]],
    pairs: Sequence[Pair],
    size_px: int,
    *,
    baselines: bool,
    gatys: Sequence[int] = (),
) -> ScoredSystems:
    """Returns the systems of an evaluation, after checking all of them.

    Args:
        weights: Names or model files.
        alphas: Strengths of the models.
        outputs: Names and folders of other programs' images.
        pairs: Pairs that outputs must contain.
        size_px: Side of all images.
        baselines: Whether to add the baselines.
        gatys: Numbers of iterations of Gatys' optimization, each a system.

    Raises:
        FileNotFoundError: If a model file or a folder is missing.
        ValueError: If a strength is not in [0, 1], a model has none of the styles,
            outputs are missing, two systems have the same name, or there is no system.
    """
    digests: dict[str, dict[str, str]] = {
        "content": {pair.content.name: pair.content.digest for pair in pairs},
        "style": {pair.style.name: pair.style.digest for pair in pairs},
    }
    systems, digests["weights"] = _load_models(weights, alphas)
    if gatys:
        digests["gatys"] = describe_gatys(gatys)
        systems += [make_gatys_system(iterations) for iterations in gatys]
    for name, folder in outputs:
        wanted = [(pair.content.name, pair.style.name) for pair in pairs]
        files = find_outputs(name, folder, wanted)
        digests[f"outputs {name}"] = {
            f"{content}__{style}": file_sha256(path)
            for (content, style), path in files.items()
        }
        systems.append(make_outputs_system(name, files, size_px))
    systems += make_baselines() if baselines else []
    _check_names([system.name for system in systems])
    _check_styles(systems, pairs)
    return ScoredSystems(systems, digests)


def _load_models(
    weights: Sequence[str | os.PathLike[str]], alphas: Sequence[float]
) -> tuple[list[System], dict[str, str]]:
    """Returns the systems of models, and their digests by name."""
    strengths = sorted({float(alpha) for alpha in alphas})
    _check_alphas(strengths, needed=bool(weights))
    systems, digests = [], {}
    paths = list(dict.fromkeys(find_model(name) for name in weights))
    names = distinct_names([(path.stem, path.absolute().parent.name) for path in paths])
    for name, path in zip(names, paths, strict=True):
        file = load_model(path)
        digests[name] = _describe(file)
        systems.append(make_model_system(name, file, build_model(file), strengths))
    return systems, digests


def _describe(file: ModelFile) -> str:
    """Returns the model's digest and the default controls of its file, as text."""
    values = [f"{name}={value:g}" for name, value in sorted(file.defaults.items())]
    return " ".join([model_digest(file), *values])


def _check_alphas(alphas: Sequence[float], *, needed: bool) -> None:
    for alpha in alphas:
        check_alpha(alpha)
    if needed and not alphas:
        raise ValueError("alphas must have at least one strength, got none")


def _check_styles(systems: Sequence[System], pairs: Sequence[Pair]) -> None:
    for system in systems:
        own = system.styles
        if own is not None and not any(system.takes(pair.style) for pair in pairs):
            raise ValueError(
                f"{system.name} has the styles {', '.join(sorted(own))}, but none of "
                "the paintings has one of these names"
            )


def _check_names(names: Sequence[str]) -> None:
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ValueError(
            f"systems must have different names, got twice {', '.join(twice)}: give "
            "outputs other names, or --no-baselines if it is that of a baseline"
        )
    if not names:
        raise ValueError("weights or outputs must be given, got none")
