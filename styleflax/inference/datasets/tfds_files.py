"""Examples of a stylized data set, and the files that describe it to TFDS."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow_datasets as tfds
from tensorflow_datasets.core import dataset_info, example_serializer

from styleflax.datasets.builders.prepared import quiet_tfds

NAME = "stylized"
VERSION = "1.0.0"


def make_features(
    classes: Mapping[str, Sequence[str] | int], side_px: int | None, encoding: str
) -> Any:
    """What an example of the data set holds, for TFDS."""
    f = tfds.features
    labels = {
        name: f.ClassLabel(num_classes=names)
        if isinstance(names, int)
        else f.ClassLabel(names=list(names))
        for name, names in classes.items()
    }
    return f.FeaturesDict(
        {
            "image": f.Image(shape=(side_px, side_px, 3), encoding_format=encoding),
            **labels,
            "name": f.Text(),
            "index": f.Scalar(np.int64),
            "style": f.Text(),
            "seed": f.Scalar(np.int64),
            "weights_sha256": f.Text(),
        }
    )


class Serializer:
    """Examples as the bytes of a record."""

    def __init__(self, features: Any) -> None:
        self._features = features
        self._serializer = example_serializer.ExampleSerializer(
            features.get_serialized_info()
        )

    def __call__(self, example: Mapping[str, Any]) -> bytes:
        """The record of an example, as `make_features` describes it."""
        encoded = self._features.encode_example(example)
        proto = self._serializer.get_tf_example(encoded)
        # Features are a map, which protobuf orders anew in every process otherwise.
        serialized: bytes = proto.SerializeToString(deterministic=True)
        return serialized


def write_info(
    out: Path,
    features: Any,
    split: str,
    lengths: Sequence[int],
    num_bytes: int,
    description: str,
) -> None:
    """Writes what `tfds.builder_from_directory` needs, `dataset_info.json` last."""
    identity = dataset_info.DatasetIdentity(
        name=NAME,
        version=tfds.core.Version(VERSION),
        data_dir=str(out),
        module_name="styleflax",
    )
    labels = [k for k, f in features.items() if isinstance(f, tfds.features.ClassLabel)]
    with quiet_tfds():
        info = dataset_info.DatasetInfo(
            builder=identity,
            features=features,
            description=description,
            supervised_keys=("image", labels[0]) if labels else None,
        )
        info.set_file_format("array_record")
        template = tfds.core.ShardedFileTemplate(
            data_dir=out,
            dataset_name=NAME,
            split=split,
            filetype_suffix="array_record",
        )
        of_split = tfds.core.SplitInfo(
            name=split,
            shard_lengths=list(lengths),
            num_bytes=num_bytes,
            filename_template=template,
        )
        info.set_splits(tfds.core.splits.SplitDict([of_split]))
        info.write_to_directory(out)
