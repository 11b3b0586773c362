"""The results of a page before it is drawn, so that a stopped page can continue."""

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from styleflax.cli.resume import find_states
from styleflax.cli.stylize_job import Job
from styleflax.cli.stylize_targets import Pair, pair_names
from styleflax.images.files import load_image_u8
from styleflax.images.read import Picture
from styleflax.images.write import encode_picture, write_whole
from styleflax.inference.records import (
    digest_bytes,
    find_state,
    plain,
    write_record,
)


class Cells:
    """Results of one page, in a hidden folder next to it until the page is complete.

    Args:
        job: With a recorder, and all pairs of the page.
        out: The page.
        ways: What the page depends on other than its results.
    """

    def __init__(self, job: Job, out: Path, ways: Mapping[str, Any]) -> None:
        self._job, self._out = job, out
        self._folder = out.with_name(f".{out.name}.cells")
        names = pair_names([*job.targets], self._folder)
        self._files = dict(zip(job.targets, names, strict=True))
        self._asked = {pair: dict(job.asked(pair)) for pair in job.targets}
        self._page = {**plain(job.controls), **ways, "the pictures": self._digests()}

    def begin(self) -> None:
        """Forgets what an earlier command left."""
        shutil.rmtree(self._folder, ignore_errors=True)

    def is_complete(self) -> bool:
        """Whether the page is there, and was made as is asked for.

        Raises:
            ValueError: It was made otherwise.
            FileExistsError: There is a file without a record.
        """
        return find_state(self._out, self._page) == "complete"

    def read(self) -> dict[Pair, np.ndarray]:
        """The pictures that were made before.

        Raises:
            ValueError: They were made otherwise than is asked for now.
        """
        asked = {file: self._asked[pair] for pair, file in self._files.items()}
        states = find_states(asked)
        return {
            pair: load_image_u8(file, max_megapixels=self._job.max_megapixels)
            for pair, file in self._files.items()
            if states[file] == "complete"
        }

    def keep(self, pair: Pair, image_u8: np.ndarray) -> None:
        """Keeps a picture for a command that goes on.

        Raises:
            OSError: It cannot be written.
        """
        data, file = encode_picture(Picture(image_u8), ".png"), self._files[pair]
        write_record(file, self._asked[pair], digest_bytes(data))
        write_whole(file, data)

    def write_page(self, image_u8: np.ndarray, *, complete: bool) -> None:
        """Writes the page and its record; one with empty places can be resumed.

        Raises:
            OSError: It cannot be written.
        """
        data = encode_picture(Picture(image_u8), self._out.suffix)
        write_record(self._out, self._page, digest_bytes(data) if complete else "")
        write_whole(self._out, data)
        if complete:
            self.begin()

    def _digests(self) -> str:
        return digest_bytes(repr([*self._asked.values()]).encode())
