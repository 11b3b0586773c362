"""Makes and measures every picture of an evaluation that is not yet on disk."""

import os
from collections.abc import Iterator, MutableMapping, Sequence
from pathlib import Path

from tqdm import tqdm

from styleflax.evaluation.cache import FirstKept
from styleflax.evaluation.inputs import Input, Pair
from styleflax.evaluation.measure import KnownContent, KnownStyle, Measure
from styleflax.evaluation.rows import IDENTITY, PAIR, Row, RowKey, append_rows
from styleflax.evaluation.systems import Made, System, square_path
from styleflax.files import short_stem
from styleflax.images.files import save_image

_MAX_STYLES = 256  # at 3 MB each


def list_keys(systems: Sequence[System], pairs: Sequence[Pair]) -> Iterator[RowKey]:
    """Yields what is to be scored, content by content.

    All systems and strengths of a pair come together, so that the first content's
    first pair meets every program, and nothing compiles later.
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
    """Scores what is not done, and adds each row on disk and to `done` at once.

    Args:
        out: Folder of the evaluation, opened by `rows.open_folder`.
        systems: What is scored.
        pairs: Content by content.
        measure: For pictures of their size.
        done: Rows that need not be computed; gets the others.
        keep_pictures: Whether to write the results as files, too.
    """
    wanted = list(list_keys(systems, pairs))
    missing = [key for key in wanted if key not in done]
    by_name = {system.name: system for system in systems}
    contents = {pair.content.name: pair.content for pair in pairs}
    styles = {pair.style.name: pair.style for pair in pairs}
    measured = _Measured(measure)
    started = len(wanted) - len(missing)
    with tqdm(
        total=len(wanted), initial=started, desc="scoring", unit="picture", disable=None
    ) as bar:
        for key in missing:
            kind, name, alpha, content_name, style_name = key
            content = contents[content_name]
            style = content if kind == IDENTITY else styles[style_name]
            made = by_name[name].make(content, style, alpha)
            values = measured.values(kind, made, content, style)
            # The picture comes first: a row says that all of it is there.
            place = _place(out, key, made) if keep_pictures else ""
            row = Row(*key, values, place)
            append_rows(out, [row])
            done[key] = row
            bar.update()


class _Measured:
    """Numbers of pictures; keeps what it knows of the content and of styles."""

    def __init__(self, measure: Measure) -> None:
        self._measure = measure
        self._content_name = ""
        self._content: KnownContent | None = None
        self._styles: FirstKept[KnownStyle] = FirstKept(_MAX_STYLES)

    def values(
        self, kind: str, made: Made, content: Input, style: Input
    ) -> dict[str, float]:
        """Returns the numbers of one picture, its maker's among them."""
        known = self._known(content)
        if kind == IDENTITY:
            return self._measure.identity(made.picture, known)
        picture = style.picture
        of_style = self._styles.get(style.name, lambda: self._measure.style(picture))
        return made.values | self._measure.pair(made.picture, known, of_style, picture)

    def _known(self, content: Input) -> KnownContent:
        if self._content is None or self._content_name != content.name:
            self._content = None  # features of one content at a time fill memory
            self._content = self._measure.content(content.picture)
            self._content_name = content.name
        return self._content


def keep_squares(out: Path, pairs: Sequence[Pair]) -> None:
    """Writes the squares that are stylized, for other programs and the baselines."""
    for role in ("content", "style"):
        squares = {getattr(pair, role).name: getattr(pair, role) for pair in pairs}
        for name, square in squares.items():
            path = out / square_path(role, name)
            path.parent.mkdir(parents=True, exist_ok=True)
            if not path.exists():
                save_image(square.square_u8, path)


def _place(out: Path, key: RowKey, made: Made) -> str:
    """Returns where a picture is, relative to the folder, and writes a new one."""
    if made.source is not None:
        return _relative(out, made.source)
    kind, system, alpha, content, style = key
    folder = Path("pictures", system)
    if alpha is not None:
        # Two digits where they say all.
        text = f"{alpha:.2f}" if round(alpha, 2) == alpha else str(alpha)
        folder /= f"alpha-{text}"
    if kind == PAIR:
        place = folder / f"{short_stem(f'{content}__{style}')}.png"
    else:
        place = folder / "identity" / f"{short_stem(content)}.png"
    (out / place).parent.mkdir(parents=True, exist_ok=True)
    save_image(made.picture, out / place)
    return place.as_posix()


def _relative(out: Path, source: Path) -> str:
    if not source.is_absolute():
        return source.as_posix()
    try:
        return Path(os.path.relpath(source, out)).as_posix()
    except ValueError:  # on another drive
        return ""
