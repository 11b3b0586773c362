"""Sheets: all photos in all styles on one page."""

import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from styleflax.images.files import encode_picture, load_image_u8, write_whole
from styleflax.images.grid import image_grid
from styleflax.images.read import Picture
from styleflax.inference.controls import ControlArguments, Plan
from styleflax.inference.folders.records import (
    Recorder,
    digest_bytes,
    find_state,
    find_states,
    plain,
    write_record,
)
from styleflax.inference.folders.results import Given, Watcher, pair_names
from styleflax.inference.folders.sources import (
    DASH,
    STYLE_SUFFIX,
    Mix,
    Pair,
    Row,
    Source,
    count_sizes,
    read_source,
)
from styleflax.inference.folders.stylize import Job, WriteOptions, run_job
from styleflax.inference.stylizer import Stylizer
from styleflax.memory import explain_memory_errors


class Cells:
    """The results of a page, in a hidden folder next to it until it is complete.

    Args:
        job: All pairs of the page, with a recorder.
        out: Path of the page.
        ways: Further options that determine the page.
    """

    def __init__(self, job: Job, out: Path, ways: Mapping[str, Any]) -> None:
        self._job, self._out = job, out
        self._folder = out.with_name(f".{out.name}.cells")
        names = pair_names([*job.targets], self._folder)
        self._files = dict(zip(job.targets, names, strict=True))
        self._asked = {pair: dict(job.request(pair)) for pair in job.targets}
        self._page = {**plain(job.controls), **ways, "the pictures": self._digests()}

    def begin(self) -> None:
        """Removes the results of an earlier command."""
        shutil.rmtree(self._folder, ignore_errors=True)

    def is_complete(self) -> bool:
        """Returns whether the page exists and was made by the same request.

        Raises:
            ValueError: If it was made by another request.
            FileExistsError: If there is a file without a record.
        """
        return find_state(self._out, self._page) == "complete"

    def read(self) -> dict[Pair, np.ndarray]:
        """Returns the results of an earlier command.

        Raises:
            ValueError: If they were made by another request.
        """
        request = {file: self._asked[pair] for pair, file in self._files.items()}
        states = find_states(request)
        return {
            pair: load_image_u8(
                file, max_megapixels=self._job.write_options.max_megapixels
            )
            for pair, file in self._files.items()
            if states[file] == "complete"
        }

    def keep(self, pair: Pair, image_u8: np.ndarray) -> None:
        """Stores a result for resuming.

        Raises:
            OSError: If it cannot be written.
        """
        data, file = encode_picture(Picture(image_u8), ".png"), self._files[pair]
        write_record(file, self._asked[pair], digest_bytes(data))
        write_whole(file, data)

    def write_page(self, image_u8: np.ndarray, *, complete: bool) -> None:
        """Writes the page and its record; a page with empty cells can be resumed.

        Raises:
            OSError: If it cannot be written.
        """
        data = encode_picture(Picture(image_u8), self._out.suffix)
        write_record(self._out, self._page, digest_bytes(data) if complete else "")
        write_whole(self._out, data)
        if complete:
            self.begin()

    def _digests(self) -> str:
        return digest_bytes(repr([*self._asked.values()]).encode())


class Page:
    """A page of photos by paintings, with captions.

    The cell of a result that fails remains empty.

    Args:
        job: All pairs of the page; see `sheet_job`.
        out: Path of the page.
        cell_px: Side of each cell in pixels.
    """

    def __init__(self, job: Job, out: Path, cell_px: int) -> None:
        self._job, self._cell_px = job, cell_px
        self._cells = Cells(job, out, {"cell": cell_px})

    def is_complete(self) -> bool:
        """Returns whether the page exists; see `Cells.is_complete`."""
        return self._cells.is_complete()

    def make(
        self, load: Callable[[], Stylizer], watcher: Watcher, *, resume: bool = False
    ) -> bool:
        """Makes the page; returns whether it was written, which needs one result.

        Args:
            load: Function that loads the model.
            watcher: Receives progress and results.
            resume: Whether to use the results of an earlier call.

        Raises:
            ValueError: If the method lacks a control, or results were made by another
                request.
            OSError: If a file cannot be written.
        """
        job, cells = self._job, self._cells
        if not resume:
            cells.begin()
        made, stylizer = cells.read(), load()
        stylizer.check_plan(job.plan)
        left = {pair: to for pair, to in job.targets.items() if pair not in made}

        def keep(_: Job, pair: Pair, picture: Picture, __: Watcher) -> None:
            made[pair] = picture.on_white()
            cells.keep(pair, made[pair])

        stylizer.expect(count_sizes(job.contents, job.plan.size))
        watcher.skip([(pair, job.targets[pair]) for pair in made])
        run_job(job._replace(targets=left), stylizer, watcher, keep)
        if made:
            self._write(made, complete=not watcher.failed)
        return bool(made)

    def _write(self, made: Mapping[Pair, np.ndarray], *, complete: bool) -> None:
        job, limit = self._job, self._job.write_options.max_megapixels
        rows = [[None, *(_painting(mix, limit) for mix in job.mixes)]]
        for content in job.contents:
            photo = _shown(content, limit)
            rows.append([photo, *(made.get((content, mix)) for mix in job.mixes)])
        captions = _captions(job.contents, job.mixes)
        doing = f"laying out {len(rows)} x {len(rows[0])} cells of {self._cell_px} px"
        with explain_memory_errors(doing, "use a smaller --cell, or fewer pictures"):
            page = image_grid(rows, captions=captions, cell_px=self._cell_px)
            self._cells.write_page(page, complete=complete)


def sheet_job(
    rows: Sequence[Row],
    given: Given,
    controls: ControlArguments,
    plan: Plan,
    max_megapixels: float,
) -> Job:
    """Returns the job of a page, whose results are not files of their own.

    Args:
        rows: Every photo with every mix of styles.
        given: The model, and the page.
        controls: Controls of the results.
        plan: The plan of these controls.
        max_megapixels: Largest image that is read, in megapixels.
    """
    return Job(
        targets={(row.content, row.mix): DASH for row in rows},
        controls=controls,
        plan=plan,
        write_options=WriteOptions(given.out.suffix, max_megapixels=max_megapixels),
        recorder=Recorder(given.weights),
    )


def _painting(mix: Mix, max_megapixels: float) -> np.ndarray | None:
    """Returns the painting above a column; None for a mix or a style without pixels."""
    source = mix[0]
    is_style_file = source.data is None and source.path.suffix.lower() == STYLE_SUFFIX
    return None if len(mix) > 1 or is_style_file else _shown(source, max_megapixels)


def _shown(source: Source, max_megapixels: float) -> np.ndarray | None:
    """Returns an image of the page's edge; None if it cannot be read."""
    if source.is_own:
        return None
    try:
        return read_source(source, max_megapixels).on_white()
    except (ValueError, OSError, MemoryError):  # this has been reported
        return None


def _captions(contents: Sequence[Source], mixes: Sequence[Mix]) -> list[list[str]]:
    """Returns captions of the paintings (above) and the photos (at the left)."""
    names = [" + ".join(source.stem for source in mix) for mix in mixes]
    return [["", *names], *([source.stem] for source in contents)]
