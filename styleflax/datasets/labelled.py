"""Pictures with labels: a folder with a folder for each class, or a TFDS split."""

import hashlib
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from styleflax.images.listing import named_as_images

TFDS_PREFIX = "tfds:"


class Picture(NamedTuple):
    """An encoded picture.

    Attributes:
        name: Where it is from; unique within its source.
        encoded: As in its file.
        labels: Class numbers by the label's name.
    """

    name: bytes
    encoded: bytes
    labels: Mapping[str, int]


class LabelledSource(Protocol):
    """Pictures in a fixed order.

    Attributes:
        classes: Names of classes by the label's name, or how many there are
            where they have no names.
        split: What the source calls itself: `train`, `test`, ...
        description: One line that differs where the pictures do.
    """

    classes: Mapping[str, Sequence[str] | int]
    split: str
    description: str

    def __len__(self) -> int: ...

    def __getitem__(self, index: int) -> Picture: ...

    def name(self, index: int) -> bytes:  # noqa: D102
        ...


def open_labelled(
    spec: str, split: str = "train", data_dir: str | os.PathLike[str] | None = None
) -> LabelledSource:
    """Returns the pictures of a folder, of a TFDS data set or of its folder.

    Args:
        spec: A folder of pictures; the folder of one version of a TFDS data set;
            or `tfds:NAME`, as `tfds.builder` takes names.
        split: Of a TFDS data set, perhaps with a slice; of a folder, its name.
        data_dir: Where TFDS data sets are; TFDS's own default if None.

    Raises:
        FileNotFoundError: It is not there, or not prepared.
        ValueError: It holds no picture, mixes pictures with class folders, or has
            no such split.
    """
    if spec.startswith(TFDS_PREFIX):
        return _open_tfds(spec.removeprefix(TFDS_PREFIX), split, data_dir)
    if (Path(spec) / "dataset_info.json").is_file():
        return _open_tfds_folder(Path(spec), split)
    return LabelledFolder(Path(spec), split)


class LabelledFolder:
    """A folder of pictures; its sub-folders, if it has any, are the classes."""

    def __init__(self, folder: Path, split: str = "train") -> None:
        self._folder, self.split = folder, split
        self._names = relative_names(folder)
        if not self._names:
            raise ValueError(f"the folder {str(folder)!r} holds no picture")
        tops = [os.path.dirname(name).partition(os.sep)[0] for name in self._names]  # noqa: PTH120
        found = sorted(set(tops))
        if "" in found and len(found) > 1:
            stray = self._names[tops.index("")]
            raise ValueError(
                f"{str(folder)!r} has folders, which become classes, but also the "
                f"picture {stray!r} beside them: it would have no label"
            )
        self.classes: Mapping[str, Sequence[str] | int] = (
            {} if found == [""] else {"label": [_printable(name) for name in found]}
        )
        number = {name: i for i, name in enumerate(found)}
        self._labels = [number[top] for top in tops]
        self.description = describe_files(folder, self._names)

    def __len__(self) -> int:
        return len(self._names)

    def __getitem__(self, index: int) -> Picture:
        """Returns a picture.

        Raises:
            OSError: It cannot be read.
        """
        name = self._names[index]
        labels = {"label": self._labels[index]} if self.classes else {}
        encoded = (self._folder / name).read_bytes()
        return Picture(self.name(index), encoded, labels)

    def name(self, index: int) -> bytes:
        """Returns a picture's path within the folder."""
        return os.fsencode(self._names[index])


class TfdsSplit:
    """A split of a prepared TFDS data set."""

    def __init__(self, builder: Any, split: str) -> None:
        import tensorflow_datasets as tfds  # noqa: PLC0415  (a second)

        features = builder.info.features
        self._image = _first_of(features, tfds.features.Image, builder.name)
        labels = {
            k: f for k, f in features.items() if isinstance(f, tfds.features.ClassLabel)
        }
        # Where classes have no names, TFDS makes some up from their numbers.
        self.classes: Mapping[str, Sequence[str] | int] = {
            k: f.names or f.num_classes for k, f in labels.items()
        }
        self._source = builder.as_data_source(
            split=split, decoders={self._image: tfds.decode.SkipDecoding()}
        )
        self.split = split.partition("[")[0]
        self.description = f"{builder.info.full_name}, {split}: {len(self)} pictures"

    def __len__(self) -> int:
        return len(self._source)

    def __getitem__(self, index: int) -> Picture:
        """Returns a picture."""
        example = self._source[index]
        labels = {k: int(example[k]) for k in self.classes}
        return Picture(self.name(index), example[self._image], labels)

    def name(self, index: int) -> bytes:
        """Returns a picture's place in the split."""
        return str(index).encode()


def relative_names(folder: Path) -> list[str]:
    """Returns all files below a folder that are named as pictures, sorted.

    Raises:
        FileNotFoundError: There is no such folder.
    """
    paths = named_as_images(folder)
    return sorted(os.path.relpath(p, folder) for p in paths if not p.is_dir())


def describe_files(folder: Path, names: Sequence[str]) -> str:
    """Returns how many files there are, and a digest of their names and sizes."""
    digest = hashlib.sha256()
    for name in names:
        try:
            size = (folder / name).stat().st_size
        except OSError:  # a dead link
            size = -1
        digest.update(os.fsencode(name) + b"\0" + str(size).encode() + b"\n")
    return f"{len(names)} files, names and sizes {digest.hexdigest()[:16]}"


def _open_tfds(
    name: str, split: str, data_dir: str | os.PathLike[str] | None
) -> TfdsSplit:
    import tensorflow_datasets as tfds  # noqa: PLC0415  (a second)

    try:
        builder = _quietly(
            lambda: tfds.builder(name, data_dir=data_dir, file_format="array_record")
        )
    except tfds.core.DatasetNotFoundError:
        raise FileNotFoundError(
            f"TFDS knows no data set {name!r}, and there is none in "
            f"{str(data_dir or tfds.core.constants.DATA_DIR)!r}"
        ) from None
    if not builder.data_path.exists():
        raise FileNotFoundError(
            f"{TFDS_PREFIX}{name} is not in {str(builder.data_path)!r}: prepare it by "
            "tfds.builder(NAME).download_and_prepare(file_format='array_record')"
        )
    return _split(builder, split)


def _open_tfds_folder(folder: Path, split: str) -> TfdsSplit:
    import tensorflow_datasets as tfds  # noqa: PLC0415  (a second)

    return _split(_quietly(lambda: tfds.builder_from_directory(folder)), split)


def _split(builder: Any, split: str) -> TfdsSplit:
    if split.partition("[")[0] not in builder.info.splits:
        raise ValueError(
            f"{builder.name} has no split {split!r}; it has "
            f"{', '.join(sorted(builder.info.splits))}"
        )
    try:
        return _quietly(lambda: TfdsSplit(builder, split))
    except NotImplementedError as error:  # TFRecord files need TensorFlow
        raise ValueError(
            f"{builder.name} cannot be read at random ({error}): prepare it with "
            "file_format='array_record'"
        ) from None


def _quietly(action: Callable[[], Any]) -> Any:
    from styleflax.datasets.builders.prepared import quiet_tfds  # noqa: PLC0415  (TFDS)

    with quiet_tfds():
        return action()


def _first_of(features: Mapping[str, Any], kind: type, name: str) -> str:
    for key, feature in features.items():
        if isinstance(feature, kind):
            return key
    raise ValueError(f"{name} has no picture among its features {sorted(features)}")


def _printable(name: str) -> str:
    """Returns a file's name that was no UTF-8 with its odd bytes escaped."""
    return os.fsencode(name).decode("utf-8", "backslashreplace")
