"""Preparation of a data set, done once by one of several processes."""

import fcntl
import io
import json
import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, redirect_stdout
from pathlib import Path
from typing import Any

import tensorflow_datasets as tfds
from absl import logging as absl_logging

from styleflax.datasets.builders import folders
from styleflax.datasets.builders.base import (
    REPORT_NAME,
    NoUsablePictureError,
    PictureBuilder,
    PicturesConfig,
)
from styleflax.images.listing import RULES, Rules

_LOGGER = logging.getLogger(__name__)

_BUILDERS: dict[str, type[PictureBuilder]] = {
    "image_folder": folders.ImageFolder,
    "coco_images": folders.CocoImages,
    "wikiart": folders.Wikiart,
    "sample_photos": folders.SamplePhotos,
    "procedural_art": folders.ProceduralArt,
}


def prepared_folder(
    name: str,
    data_dir: Path,
    manual_dir: Path,
    options: Mapping[str, Any],
    rules: Rules = RULES,
) -> Path:
    """Returns the folder of a dataset's records, after preparing it if necessary.

    Args:
        name: One of `styleflax.datasets.sources.DATASETS`.
        data_dir: Folder for prepared datasets and downloads.
        manual_dir: Folder of files that the user downloaded.
        options: Options of the dataset; see `datasets.sources.open_dataset`.
        rules: Which files of folders are pictures.

    Raises:
        ValueError: If options are unsuitable, or no image is usable.
        FileNotFoundError: If the files to prepare it from are missing.
    """
    config = find_config(name, manual_dir, options, rules)
    with quiet_tfds():
        builder = _BUILDERS[name](data_dir=data_dir, config=config)
        folder = Path(builder.data_dir)
        if not folder.is_dir():  # TFDS renames the folder when it is complete
            with _locked(data_dir / f".{name}-{config.name}.lock"):
                _prepare(builder, data_dir, manual_dir)
    _warn_of_skipped(name, folder)
    return folder


def find_config(
    name: str,
    manual_dir: Path,
    options: Mapping[str, Any],
    rules: Rules = RULES,
) -> PicturesConfig:
    """Returns the config of a dataset, without preparing it.

    Args:
        name: One of `styleflax.datasets.sources.DATASETS`.
        manual_dir: Folder of files that the user downloaded.
        options: Options of the dataset.
        rules: Which files of folders are pictures.

    Raises:
        ValueError: If options are unsuitable.
        FileNotFoundError: If the files to prepare it from are missing.
    """
    try:
        match name:
            case "image_folder":
                return folders.image_folder_config(**_as_path(options), rules=rules)
            case "coco_images":
                return folders.coco_config(
                    manual_dir=manual_dir, rules=rules, **options
                )
            case "wikiart":
                return folders.wikiart_config(
                    manual_dir=manual_dir, rules=rules, **options
                )
            case "sample_photos":
                return folders.sample_photos_config(**options)
            case _:
                return folders.procedural_config(**options)
    except TypeError as error:
        raise ValueError(
            f"{name} cannot be opened with {dict(options)}: {error}"
        ) from None


def _as_path(options: Mapping[str, Any]) -> dict[str, Any]:
    return {key: Path(value) for key, value in options.items()}


def _prepare(builder: PictureBuilder, data_dir: Path, manual_dir: Path) -> None:
    try:
        builder.download_and_prepare(
            download_dir=data_dir / "downloads",
            download_config=tfds.download.DownloadConfig(
                manual_dir=manual_dir, try_download_gcs=False
            ),
            file_format="array_record",
        )
    except NoUsablePictureError as error:
        report = error.args[0]
        first = report["skipped"][0]
        raise ValueError(
            f"{builder.name} has not one usable picture among "
            f"{report['num_skipped']}; the first, {first['path']!r}: {first['reason']}"
        ) from None


def _warn_of_skipped(name: str, folder: Path) -> None:
    """Warns about images that were skipped at preparation."""
    report_path = folder / REPORT_NAME
    try:
        report = json.loads(report_path.read_text(encoding="utf-8"))
    except (FileNotFoundError, json.JSONDecodeError):
        raise FileNotFoundError(
            f"the prepared dataset in {str(folder)!r} is incomplete: delete that "
            "folder, and it will be prepared anew"
        ) from None
    if report["num_skipped"]:
        _LOGGER.warning(
            "%s: %d of %d pictures could not be used; %s says why",
            name,
            report["num_skipped"],
            report["num_skipped"] + report["num_used"],
            report_path,
        )
    if remarks := report.get("remarks", []):
        _LOGGER.warning(
            "%s: of %d pictures only the first frame or page is used, such as %s; %s "
            "lists them",
            name,
            len(remarks),
            remarks[0]["path"],
            report_path,
        )
    if num_left_out := report.get(
        "num_left_out", 0
    ):  # older data sets do not have this number
        _LOGGER.warning(
            "%s: %d files are no pictures that are read; %s lists them",
            name,
            num_left_out,
            report_path,
        )


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Waits until no other process holds the lock; a process that dies frees it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        # The file is not deleted: otherwise a waiting process and a later one would
        # lock two different files.
        yield


@contextmanager
def quiet_tfds() -> Iterator[None]:
    """Suppresses the output, step logs and progress bars of TFDS."""
    verbosity = absl_logging.get_verbosity()
    absl_logging.set_verbosity(absl_logging.ERROR)
    tfds.disable_progress_bar()
    try:
        with redirect_stdout(io.StringIO()):
            yield
    finally:
        absl_logging.set_verbosity(verbosity)
