"""Reading what has been prepared, and TFDS without its chatter."""

import io
import os
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from pathlib import Path
from typing import Any

import tensorflow_datasets as tfds
from absl import logging as absl_logging


class PreparedPictures:
    """The encoded pictures of one prepared dataset."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        with quiet_tfds():
            builder = tfds.builder_from_directory(folder)
            self._name: str = builder.info.full_name
            self._source = builder.as_data_source(
                split="train", decoders={"image": tfds.decode.SkipDecoding()}
            )

    def __len__(self) -> int:
        return len(self._source)

    def __getitem__(self, index: int) -> bytes:
        encoded: bytes = self._source[index]["image"]
        return encoded

    def name(self, index: int) -> str:
        """Returns the name under which the picture was prepared."""
        return os.fsdecode(self._source[index]["name"])

    def __repr__(self) -> str:
        return f"PreparedPictures({self._name!r}, {len(self)} pictures)"

    # Worker processes open the files anew.
    def __reduce__(self) -> tuple[Any, ...]:
        return PreparedPictures, (self._folder,)


@contextmanager
def quiet_tfds() -> Iterator[None]:
    """Keeps TFDS from printing, from logging each step and from drawing bars."""
    verbosity = absl_logging.get_verbosity()
    absl_logging.set_verbosity(absl_logging.ERROR)
    tfds.disable_progress_bar()
    try:
        with redirect_stdout(io.StringIO()):
            yield
    finally:
        absl_logging.set_verbosity(verbosity)
