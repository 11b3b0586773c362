"""The evaluation: every pair of contents and styles, by every system, with a report."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from styleflax.evaluation.inputs import Pair, choose_pairs, load_inputs
from styleflax.evaluation.measure import Measure
from styleflax.evaluation.metrics.lpips import NETWORKS
from styleflax.evaluation.report import check_extras, write_report
from styleflax.evaluation.report.html import find_versions
from styleflax.evaluation.rows import Row, open_folder, row_key
from styleflax.evaluation.scored_systems import ALPHAS, ScoredSystems, load_systems
from styleflax.evaluation.scoring import keep_squares, list_keys, score_missing
from styleflax.evaluation.set_metrics import SetValues, make_set_measure
from styleflax.evaluation.systems import System
from styleflax.memory import explain_memory_errors


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
