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


def finish(job: Job, out: Path) -> dict[str, Any]:
    """Returns the report of the data set, which is put together if it has not been.

    Raises:
        ValueError: A part is missing, a file is damaged, or no picture can be used.
    """
    if job.settings.format == IMAGES:
        return read_images_report(out) or finish_images(job, out)
    return read_report(out) or assemble(
        out,
        count_parts(job),
        features_of(job),
        job.source.split,
        f"Stylized by styleflax: {json.dumps(describe(job))}",
        notes_of(job),
    )
