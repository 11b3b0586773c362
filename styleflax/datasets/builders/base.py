"""What all builders share: screening, the report, the features."""

import dataclasses
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import tensorflow_datasets as tfds
from tqdm import tqdm

from styleflax.datasets.builders.screening import (
    Candidate,
    candidates,
    left_out_of,
    screened,
)
from styleflax.images.listing import RULES, Rules

REPORT_NAME = "report.json"
"""File of a data set: the number of its images, and which ones are missing."""


@dataclasses.dataclass(eq=False)
class PicturesConfig(tfds.core.BuilderConfig):
    """Where the pictures lie; `name` must change whenever they do."""

    roots: tuple[Path, ...] = ()
    """Folders or zip files."""
    rules: Rules = RULES
    """Which of the files in them are pictures."""


class PictureBuilder(  # type: ignore[call-arg]
    tfds.core.GeneratorBasedBuilder, skip_registration=True
):
    """Stores the usable pictures of `candidates` and reports the others."""

    VERSION = tfds.core.Version("1.0.0")
    DESCRIPTION = ""
    HOMEPAGE = ""
    # TFDS would look for checksums beside this file, and needs importlib_resources
    # for it, which it does not install; there are none.
    url_infos: ClassVar[dict[str, Any]] = {}

    def _info(self) -> Any:
        return tfds.core.DatasetInfo(
            builder=self,
            description=self.DESCRIPTION,
            homepage=self.HOMEPAGE,
            features=tfds.features.FeaturesDict(
                {
                    "image": tfds.features.Image(shape=(None, None, None)),
                    "name": tfds.features.Text(),
                }
            ),
        )

    def _split_generators(self, dl_manager: Any) -> dict[str, Any]:
        return {"train": self._generate_examples(self.candidates(dl_manager))}

    def candidates(self, dl_manager: Any) -> Iterator[Candidate]:
        """Yields what may go into the dataset; builders that download override it."""
        del dl_manager
        several = len(self.builder_config.roots) > 1
        for root in self.builder_config.roots:
            for found in candidates(root, self.builder_config.rules):
                # train_1 and train_2 may both hold a 1.jpg
                prefix = f"{root.name}/" if several else ""
                yield found._replace(name=prefix + found.name)

    def _generate_examples(self, found: Iterator[Candidate]) -> Iterator[Any]:
        skipped, remarks = [], []
        num_used = 0
        progress = tqdm(
            screened(found), f"preparing {self.name}", unit=" pictures", delay=3
        )
        for picture in progress:
            if picture.encoded is None:
                skipped.append({"path": picture.name, "reason": picture.reason})
                continue
            num_used += 1
            if picture.remark:
                remarks.append({"path": picture.name, "remark": picture.remark})
            # File names that are not UTF-8 reach Python as lone surrogates.
            name = os.fsencode(picture.name)
            yield name, {"image": picture.encoded, "name": name}
        roots = self.builder_config.roots
        rules = self.builder_config.rules
        left_out = [entry for root in roots for entry in left_out_of(root, rules)]
        report = {
            "num_used": num_used,
            "num_skipped": len(skipped),
            "skipped": skipped,
            "remarks": remarks,
            "num_left_out": len(left_out),
            "left_out": [{"path": str(p), "reason": reason} for p, reason in left_out],
        }
        # TFDS lends the builder a temporary folder until all is written.
        path = Path(self.data_dir) / REPORT_NAME
        path.write_text(json.dumps(report, indent=1), encoding="utf-8")
        if num_used == 0:
            raise NoUsablePictureError(report)


class NoUsablePictureError(ValueError):
    """Every candidate was skipped; the argument is the report."""
