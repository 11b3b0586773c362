"""The evaluation: every pair of contents and styles, by every system, with a report."""

import os
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from styleflax.evaluation.inputs import Pair, choose_pairs, distinct_names, load_inputs
from styleflax.evaluation.measure import Measure
from styleflax.evaluation.metrics.lpips import NETWORKS
from styleflax.evaluation.report import check_extras, write_report
from styleflax.evaluation.report.write import find_versions
from styleflax.evaluation.rows import Row, open_folder, row_key
from styleflax.evaluation.scoring import keep_squares, list_keys, score_missing
from styleflax.evaluation.set_metrics import SetValues, make_set_measure
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
from styleflax.memory import explain_memory_errors
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
        names_of_pairs = [(pair.content.name, pair.style.name) for pair in pairs]
        files = find_outputs(name, folder, names_of_pairs)
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


class Result(NamedTuple):
    """The results of `evaluate`.

    Attributes:
        rows: Scores in the order of contents, styles, systems and strengths.
        sets: FID and ArtFID by (system, alpha), if requested.
        report: Path of the report.
        notes: Measurements that were not possible, one line each.
    """

    rows: list[Row]
    sets: SetValues
    report: Path
    notes: list[str]


class Options(NamedTuple):
    """Options of an evaluation.

    Attributes:
        size_px: Side of the squares that are stylized and measured.
        alphas: Strengths of the models.
        outputs: Names and folders of other programs' pictures; see
            `systems.find_outputs`.
        baselines: Whether to score the three baselines of `systems.BASELINES`.
        networks: Networks that measure distances: "vgg16" and "alexnet".
        num_pairs: Number of pairs to score, evenly spaced; all if None.
        gatys: Numbers of iterations of Gatys' optimization, each a system; see
            `systems`.
        inception: Weights of the FID network; see `fid`.
        art_inception: Weights of ArtFID's network.
        keep_pictures: Whether to write all pictures into the folder.
        overwrite: Whether to discard scores of other settings.
    """

    size_px: int = 512
    alphas: tuple[float, ...] = ALPHAS
    outputs: tuple[tuple[str, Path], ...] = ()
    baselines: bool = True
    networks: tuple[str, ...] = NETWORKS
    num_pairs: int | None = None
    gatys: tuple[int, ...] = ()
    inception: Path | None = None
    art_inception: Path | None = None
    keep_pictures: bool = True
    overwrite: bool = False


DEFAULTS = Options()


def evaluate(
    weights: Sequence[str],
    content_folder: Path,
    style_folder: Path,
    out: Path,
    options: Options = DEFAULTS,
) -> Result:
    """Scores every pair and writes rows, pictures and a report.

    After an interruption, the same call continues. A call with more systems, strengths
    or pairs computes only those.

    Args:
        weights: Names or model files.
        content_folder: Folder of photos, searched recursively.
        style_folder: Folder of paintings, searched recursively.
        out: Folder for the results; made if missing.
        options: All other settings.

    Raises:
        FileNotFoundError: If a folder, a model file or a package is missing.
        ImportError: If the report's packages are not installed.
        ValueError: If a folder has no image, outputs are missing, the folder holds
            scores of other settings, or a number is out of range.
    """
    check_extras()
    if (options.inception or options.art_inception) and not options.keep_pictures:
        raise ValueError("FID and ArtFID require --keep-pictures")
    size_px, keep = options.size_px, options.keep_pictures
    measure = Measure(size_px, options.networks)
    pairs = _load_pairs(content_folder, style_folder, size_px, options.num_pairs)
    scored = load_systems(
        *(weights, options.alphas, options.outputs, pairs, size_px),
        baselines=options.baselines,
        gatys=options.gatys,
    )
    systems = scored.systems
    networks = options.inception, options.art_inception
    measure_sets = make_set_measure(out, pairs, size_px, *networks)
    settings = _settings(content_folder, style_folder, options, scored, len(pairs))
    found = open_folder(out, settings, overwrite=options.overwrite)
    done = {row_key(row): row for row in found}
    if keep:
        keep_squares(out, pairs)
    doing = f"scoring pictures of {size_px} x {size_px} px"
    with explain_memory_errors(doing, "use a smaller --size", "--tile"):
        score_missing(out, systems, pairs, measure, done, keep_pictures=keep)
        rows = [done[key] for key in list_keys(systems, pairs)]
        sets = measure_sets(rows)
    report = write_report(out, rows, settings, sets, inputs=_squares(pairs))
    return Result(rows, sets, report, measure.notes + _note_styles(systems, pairs))


def _note_styles(systems: Sequence[System], pairs: Sequence[Pair]) -> list[str]:
    """Returns a line for each system that is not scored on all pairs."""
    counts = {s.name: sum(s.takes(pair.style) for pair in pairs) for s in systems}
    return [
        f"{name} is scored on {count} of {len(pairs)} pairs, those of its own styles"
        for name, count in counts.items()
        if count < len(pairs)
    ]


def _squares(pairs: Sequence[Pair]) -> dict[str, dict[str, np.ndarray]]:
    """Returns the inputs that the report shows, by role and name."""
    return {
        "content": {pair.content.name: pair.content.square_u8 for pair in pairs},
        "style": {pair.style.name: pair.style.square_u8 for pair in pairs},
    }


def _settings(
    content_folder: Path,
    style_folder: Path,
    options: Options,
    scored: ScoredSystems,
    num_pairs: int,
) -> dict[str, Any]:
    """Returns the settings for `rows.open_folder` and for the report."""
    return {
        "compared": {
            "size_px": options.size_px,
            "networks": sorted(set(options.networks)),
        },
        "digests": scored.digests,
        "run": {
            "content": str(content_folder),
            "style": str(style_folder),
            "num_pairs": num_pairs,
            "systems": {system.name: list(system.alphas) for system in scored.systems},
        },
        "versions": find_versions(),
    }


def _load_pairs(
    content_folder: Path, style_folder: Path, size_px: int, num_pairs: int | None
) -> list[Pair]:
    contents = load_inputs(content_folder, size_px)
    styles = load_inputs(style_folder, size_px)
    positions = choose_pairs(len(contents), len(styles), num_pairs)
    pairs = [Pair(contents[i], styles[j]) for i, j in positions]
    files = Counter(f"{pair.content.name}__{pair.style.name}" for pair in pairs)
    if twice := [name for name, count in files.items() if count > 1]:
        raise ValueError(f"two pairs are both named {twice[0]!r}; rename an image")
    return pairs
