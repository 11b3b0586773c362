"""Whether a stylized data set is finished, and what makes it so."""

import json
from pathlib import Path
from typing import Any

from styleflax.inference.datasets.image_files import (
    TABLE,
    finish_images,
    read_images_report,
)
from styleflax.inference.datasets.job import (
    IMAGES,
    Job,
    count_parts,
    describe,
    features_of,
    notes_of,
)
from styleflax.inference.datasets.output import assemble, read_report


def is_finished(job: Job, out: Path) -> bool:
    """Returns whether the folder has its last file."""
    last = TABLE if job.settings.format == IMAGES else "dataset_info.json"
    return (out / last).is_file()


def read_finished(job: Job, out: Path) -> dict[str, Any] | None:
    """Returns the report of a finished data set, its files checked.

    Pictures that are damaged or missing make the data set one that is not finished, in
    which their parts alone have to be made again.

    Returns:
        None for a data set that is not finished, or not any more.

    Raises:
        ValueError: A file is damaged that cannot be made again alone.
    """
    if job.settings.format == IMAGES:
        return read_images_report(job, out)
    return read_report(out)


def finish(job: Job, out: Path) -> dict[str, Any]:
    """Returns the report of the data set, which is put together of its parts.

    Raises:
        ValueError: A part is missing or damaged, or no picture can be used.
    """
    if job.settings.format == IMAGES:
        return finish_images(job, out)
    return assemble(
        out,
        count_parts(job),
        features_of(job),
        job.source.split,
        f"Stylized by styleflax: {json.dumps(describe(job))}",
        notes_of(job),
    )
