"""Data sets by name, as in configurations; they are prepared when first opened."""

import importlib
import logging
import re
from pathlib import Path
from typing import Any

from styleflax.datasets.pipeline import (
    Concatenated,
    FilePictures,
    PictureSource,
    PreparedPictures,
)
from styleflax.images.listing import RULES, Rules, describe_excluded, list_folder
from styleflax.images.read import other_frames

_LOGGER = logging.getLogger(__name__)

DATASETS = (
    "image_folder",
    "pictures",
    "coco_images",
    "wikiart",
    "sample_photos",
    "procedural_art",
)


def open_source(
    spec: str,
    data_dir: Path | str,
    manual_dir: Path | str | None = None,
    rules: Rules = RULES,
) -> PictureSource:
    """Returns the images of a spec.

    Args:
        spec: `image_folder:PATH`, `pictures:PATH` (a file, or the files of a folder in
            the order of their names, read without preparation, for few images),
            `coco_images:SUBSET` (train2014, train2017, val2017), `wikiart`,
            `sample_photos` or `procedural_art` (optionally
            `procedural_art:num_pictures=160,size_px=320,seed=0`), or several of
            them joined by `+`.
        data_dir: Folder for prepared datasets and downloads.
        manual_dir: Folder of files that the user downloaded; `downloads/manual`
            in `data_dir` if None.
        rules: Which files of folders are pictures.

    Raises:
        ValueError: If the spec is not valid, or a dataset has no usable image.
        FileNotFoundError: If the folder or the files to prepare from are missing.
        ImportError: If this platform has no array_record.
    """
    sources = [
        open_dataset(name, data_dir, manual_dir=manual_dir, rules=rules, **options)
        for name, options in parse_spec(
            spec
        )  # parses the whole spec before preparing any part
    ]
    return sources[0] if len(sources) == 1 else Concatenated(sources)


def parse_spec(spec: str) -> list[tuple[str, dict[str, Any]]]:
    """Returns the datasets that a spec names, with their options.

    Raises:
        ValueError: If a dataset is unknown, or lacks an option.
    """
    return [_parse(part) for part in split_spec(spec)]


def split_spec(spec: str) -> list[str]:
    """Returns the parts of a spec, separated by every `+` before a dataset's name."""
    names = "|".join(DATASETS)
    return re.split(rf"\+(?=(?:{names})(?:[:+]|$))", spec)


def open_dataset(
    name: str,
    data_dir: Path | str,
    *,
    manual_dir: Path | str | None = None,
    rules: Rules = RULES,
    **options: Any,
) -> PictureSource:
    """Returns the images of one dataset, after preparing it if necessary.

    Several processes may call this at once: one prepares, the others wait.

    Args:
        name: One of `DATASETS`.
        data_dir: Folder for prepared datasets and downloads.
        manual_dir: Folder of files that the user downloaded; `downloads/manual` in
            `data_dir` if None.
        rules: Which files of folders are images.
        **options: `path` for image_folder and pictures, `subset` for coco_images,
            `num_pictures`, `size_px` and `seed` for procedural_art.

    Raises:
        ValueError: If there is no such dataset, or it has no usable image.
        FileNotFoundError: If the files to prepare it from are missing.
        ImportError: If this platform has no array_record.
    """
    if name not in DATASETS:
        raise ValueError(_unknown(name))
    if name == "pictures":
        files = picture_files(options["path"], rules)
        for path in files:
            if remark := other_frames(path):
                _LOGGER.warning("pictures: %s: %s", path, remark)
        return FilePictures(files)
    _check_platform()
    from styleflax.datasets.builders.preparation import (  # noqa: PLC0415 (imports TFDS)
        prepared_folder,
    )

    data_dir = Path(data_dir).expanduser().absolute()
    folder = prepared_folder(
        name, data_dir, find_manual_dir(data_dir, manual_dir), options, rules
    )
    return PreparedPictures(folder)


def find_manual_dir(data_dir: Path | str, manual_dir: Path | str | None) -> Path:
    """Returns the folder of files that the user downloaded; see `open_source`."""
    if manual_dir is None:
        manual_dir = Path(data_dir) / "downloads" / "manual"
    return Path(manual_dir).expanduser().absolute()


def picture_files(path: Path | str, rules: Rules = RULES) -> list[Path]:
    """Returns the files of `pictures:PATH`, in order.

    Raises:
        FileNotFoundError: If there is no such file or folder.
        ValueError: If the folder has no image.
    """
    path = Path(path).expanduser()
    if path.is_file():
        return [path]
    found, left_out = list_folder(path, rules.suffixes, rules)
    if not found:
        raise ValueError(f"the folder {str(path)!r} has no image")
    if left_out:
        _LOGGER.warning("pictures: %s", describe_excluded(left_out))
    return found


def _parse(spec: str) -> tuple[str, dict[str, Any]]:
    """Returns a dataset's name and the options that follow its colon."""
    name, colon, argument = spec.strip().partition(":")
    if name not in DATASETS:
        raise ValueError(_unknown(spec))
    needed = {"image_folder": "path", "pictures": "path", "coco_images": "subset"}
    required = needed.get(name)
    if required:
        if not argument:
            raise ValueError(
                f"{spec!r} lacks its {required}: {name}:{required.upper()}"
            )
        return name, {required: argument}
    if not colon:
        return name, {}
    if name == "procedural_art":
        return name, _numbers(spec, argument)
    raise ValueError(f"{spec!r}: {name} takes nothing after its name")


def _numbers(spec: str, argument: str) -> dict[str, int]:
    allowed = ("num_pictures", "size_px", "seed")
    pairs = [pair.partition("=") for pair in argument.split(",")]
    if not all(key in allowed and value.isdigit() for key, _, value in pairs):
        raise ValueError(
            f"{spec!r}: after the colon stand whole numbers for any of "
            f"{', '.join(allowed)}, as in seed=0,size_px=320"
        )
    return {key: int(value) for key, _, value in pairs}


def _unknown(spec: str) -> str:
    return (
        "the data set must be one of image_folder:PATH, pictures:PATH, "
        "coco_images:SUBSET, wikiart, sample_photos and procedural_art, or several "
        f"joined by +, got {spec!r}"
    )


def _check_platform() -> None:
    for module in ("array_record.python.array_record_module", "grain", "fcntl"):
        try:
            importlib.import_module(module)
        except ImportError as error:
            raise ImportError(
                "training needs array_record, grain and file locks, which have no "
                f"build for this platform or are not installed ({error})"
            ) from None
