"""Scoring images, for evaluations and for validation in training."""

import functools
import logging
import os
from collections.abc import Iterator, Mapping, MutableMapping, Sequence
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float
from tqdm import tqdm

from styleflax.evaluation.inputs import BoundedCache, Input, Pair
from styleflax.evaluation.measure import ContentMeasurements, Measure, StyleMeasurements
from styleflax.evaluation.metrics.artifacts import Artifacts, detect_artifacts
from styleflax.evaluation.metrics.lpips import make_lpips
from styleflax.evaluation.metrics.style import (
    channel_histograms,
    color_distance,
    gram_distances,
    make_gram_matrices,
)
from styleflax.evaluation.rows import IDENTITY, PAIR, Row, RowKey, append_rows
from styleflax.evaluation.systems import System, SystemResult, square_path
from styleflax.files import short_stem
from styleflax.images.files import save_image, to_float
from styleflax.methods import controls_of
from styleflax.methods.base import Batch, Method, Variables, plain_controls, stylize
from styleflax.ops.color_match import match_pairs
from styleflax.training.run import Scorer
from styleflax.types import Image, Params

_MAX_STYLES = 256  # at 3 MB each


def list_keys(systems: Sequence[System], pairs: Sequence[Pair]) -> Iterator[RowKey]:
    """Yields the keys of all rows to score, content by content.

    All systems and strengths of a pair follow each other, so that every program is
    compiled during the first pair.
    """
    seen: set[str] = set()
    for content, style in pairs:
        if content.name not in seen:
            seen.add(content.name)
            for system in systems:
                for alpha in system.alphas if system.identity else ():
                    yield IDENTITY, system.name, alpha, content.name, content.name
        for system in systems:
            for alpha in system.alphas if system.takes(style) else ():
                yield PAIR, system.name, alpha, content.name, style.name


def score_missing(
    out: Path,
    systems: Sequence[System],
    pairs: Sequence[Pair],
    measure: Measure,
    done: MutableMapping[RowKey, Row],
    *,
    keep_pictures: bool,
) -> None:
    """Scores all missing rows, and adds each to the folder and to `done` at once.

    Args:
        out: Folder of the evaluation, opened by `rows.open_folder`.
        systems: Systems to score.
        pairs: Pairs to score, content by content.
        measure: Measure for images of their size.
        done: Rows that are scored already, by key; new rows are added.
        keep_pictures: Whether to write the results as image files, too.
    """
    keys = list(list_keys(systems, pairs))
    missing = [key for key in keys if key not in done]
    by_name = {system.name: system for system in systems}
    contents = {pair.content.name: pair.content for pair in pairs}
    styles = {pair.style.name: pair.style for pair in pairs}
    measured = _Measured(measure)
    started = len(keys) - len(missing)
    with tqdm(
        total=len(keys), initial=started, desc="scoring", unit="image", disable=None
    ) as bar:
        for key in missing:
            kind, name, alpha, content_name, style_name = key
            content = contents[content_name]
            style = content if kind == IDENTITY else styles[style_name]
            result = by_name[name].make(content, style, alpha)
            values = measured.values(kind, result, content, style)
            # The image is written first, so that no row refers to a missing file.
            place = _place(out, key, result) if keep_pictures else ""
            row = Row(*key, values, place)
            append_rows(out, [row])
            done[key] = row
            bar.update()


class _Measured:
    """Computes metrics of results; caches measurements of the content and of styles."""

    def __init__(self, measure: Measure) -> None:
        self._measure = measure
        self._content_name = ""
        self._content: ContentMeasurements | None = None
        self._styles: BoundedCache[StyleMeasurements] = BoundedCache(_MAX_STYLES)

    def values(
        self, kind: str, result: SystemResult, content: Input, style: Input
    ) -> dict[str, float]:
        """Returns all values of one result, including those of its system."""
        measured = self._of_content(content)
        if kind == IDENTITY:
            return self._measure.identity(result.picture, measured)
        picture = style.picture
        painted = self._styles.get(style.name, lambda: self._measure.style(picture))
        values = self._measure.pair(result.picture, measured, painted, picture)
        return result.values | values

    def _of_content(self, content: Input) -> ContentMeasurements:
        if self._content is None or self._content_name != content.name:
            self._content = None  # frees the features of the previous content first
            self._content = self._measure.content(content.picture)
            self._content_name = content.name
        return self._content


def keep_squares(out: Path, pairs: Sequence[Pair]) -> None:
    """Writes the squares to stylize, for other programs and the baselines."""
    for role in ("content", "style"):
        squares = {getattr(pair, role).name: getattr(pair, role) for pair in pairs}
        for name, square in squares.items():
            path = out / square_path(role, name)
            path.parent.mkdir(parents=True, exist_ok=True)
            if not path.exists():
                save_image(square.square_u8, path)


def _place(out: Path, key: RowKey, result: SystemResult) -> str:
    """Writes a new result; returns its path relative to the folder."""
    if result.source is not None:
        return _relative(out, result.source)
    kind, system, alpha, content, style = key
    folder = Path("pictures", system)
    if alpha is not None:
        # Two digits if they are exact.
        text = f"{alpha:.2f}" if round(alpha, 2) == alpha else str(alpha)
        folder /= f"alpha-{text}"
    if kind == PAIR:
        place = folder / f"{short_stem(f'{content}__{style}')}.png"
    else:
        place = folder / "identity" / f"{short_stem(content)}.png"
    (out / place).parent.mkdir(parents=True, exist_ok=True)
    save_image(result.picture, out / place)
    return place.as_posix()


def _relative(out: Path, source: Path) -> str:
    if not source.is_absolute():
        return source.as_posix()
    try:
        return Path(os.path.relpath(source, out)).as_posix()
    except ValueError:  # on another drive
        return ""


logger = logging.getLogger(__name__)


def make_scorer(method: Method, batch: Batch) -> Scorer:
    """Returns a scorer of validation pairs, for training.

    Results have strength 1 and the color step. Lower is better for all scores: `gram`
    (VGG-16; the mean over layers) and `lpips` (AlexNet), both only with the extra
    `eval`; `color`; and, for each detector of artifacts, the share of results in which
    it finds any.

    Args:
        method: The method that the phase trains.
        batch: Pairs, {"content", "style"} and optionally "style_index", uint8.
    """
    contents, styles = to_float(batch["content"]), to_float(batch["style"])
    places = batch.get("style_index", np.arange(len(styles)))
    networks = _make_networks()
    of_styles = [networks.grams(x) for x in styles] if networks else []
    histograms = [channel_histograms(x) for x in styles]

    @jax.jit
    def program(
        variables: Variables, frozen: Params, content: Image, style: Batch
    ) -> Image:
        encoded = method.encode_style(variables, frozen, style)
        image = stylize(method, variables, frozen, content, [encoded], plain_controls())
        if "color_match" in controls_of(method):
            # The default of the exported model file.
            image = match_pairs(image, style["image"], strength=1.0)
        return jnp.clip(image, 0.0, 1.0)

    def score(variables: Variables, frozen: Params) -> dict[str, float]:
        rows = []
        for i, (content, style) in enumerate(zip(contents, styles, strict=True)):
            looks = {"image": style[None], "style_index": places[i : i + 1]}
            image = np.asarray(program(variables, frozen, content[None], looks)[0])
            row = _artifacts(image, content, style)
            row["color"] = color_distance(channel_histograms(image), histograms[i])
            if networks:
                row["gram"] = networks.gram(image, of_styles[i])
                row["lpips"] = float(networks.lpips(image, content)[0])
            rows.append(row)
        return {name: float(np.mean([row[name] for row in rows])) for name in rows[0]}

    of_networks = ("gram", "lpips") if networks else ()
    return Scorer((*Artifacts._fields, "color", *of_networks), score)


class _Networks:
    """VGG-16 and AlexNet, each compiled once."""

    def __init__(self) -> None:
        self.grams = make_gram_matrices("vgg16")
        self.lpips = make_lpips("alexnet")

    def gram(
        self, image: Float[np.ndarray, "h w 3"], style: Mapping[str, Array]
    ) -> float:
        distances = gram_distances(self.grams(image), style).values()
        return float(np.mean([np.asarray(x)[0] for x in distances]))


@functools.lru_cache(maxsize=1)
def _make_networks() -> _Networks | None:
    try:
        return _Networks()
    except FileNotFoundError as error:
        logger.warning("validation has no scores gram and lpips: %s", error)
        return None


def _artifacts(
    image: Float[np.ndarray, "h w 3"],
    content: Float[np.ndarray, "h w 3"],
    style: Float[np.ndarray, "h w 3"],
) -> dict[str, float]:
    found = detect_artifacts(image, content, style)
    return {name: float(each.found) for name, each in found._asdict().items()}
