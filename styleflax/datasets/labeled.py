"""Images with labels: a folder with a subfolder for each class, or a TFDS split."""

import hashlib
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from styleflax.images.listing import (
    ExcludedPath,
    has_image_suffix,
    is_passed_over,
    is_tool_folder,
    list_folder,
)

TFDS_PREFIX = "tfds:"


class Picture(NamedTuple):
    """An encoded image with labels.

    Attributes:
        name: Name, unique within its source.
        encoded: Bytes of the image file.
        labels: Class numbers by the name of the label.
    """

    name: bytes
    encoded: bytes
    labels: Mapping[str, int]


class LabeledSource(Protocol):
    """Images with labels in a fixed order.

    Attributes:
        classes: Names of classes by the name of the label; the number of classes if
            they have no names.
        split: Name of the split: `train`, `test`, ...
        description: One line that identifies the images.
        left_out: Files in the folder that are not images.
        empty_classes: Names of classes without an image.
        file_names: Paths of all images within the source; None if they are not files.
    """

    classes: Mapping[str, Sequence[str] | int]
    split: str
    description: str
    left_out: Sequence[ExcludedPath]
    empty_classes: Sequence[str]
    file_names: Sequence[str] | None

    def __len__(self) -> int: ...

    def __getitem__(self, index: int) -> Picture: ...

    def name(self, index: int) -> bytes:  # noqa: D102
        ...


def open_labeled(
    spec: str,
    split: str = "train",
    data_dir: str | os.PathLike[str] | None = None,
    classes: Sequence[str] | None = None,
) -> LabeledSource:
    """Returns the images of a folder, of a TFDS data set or of its folder.

    Args:
        spec: A folder of images; the folder of one version of a TFDS data set; or
            `tfds:NAME` with a name for `tfds.builder`.
        split: Split of a TFDS data set, optionally with a slice; name of the split of a
            folder.
        data_dir: Folder of TFDS data sets; None for TFDS's default.
        classes: Names of all classes of a folder, in the order of their numbers; None
            for those of its subfolders, or of a TFDS data set.

    Raises:
        FileNotFoundError: If the source is missing or not prepared.
        ValueError: If it has no image, mixes images with class folders, has no such
            split, or does not have these classes.
    """
    is_tfds = spec.startswith(TFDS_PREFIX) or _is_prepared(Path(spec))
    if is_tfds and classes is not None:
        raise ValueError(f"{spec} has its own classes; omit --classes")
    if spec.startswith(TFDS_PREFIX):
        return _open_tfds(spec.removeprefix(TFDS_PREFIX), split, data_dir)
    if is_tfds:
        return _open_tfds_folder(Path(spec), split)
    return LabeledFolder(Path(spec), split, classes)


def _is_prepared(folder: Path) -> bool:
    return (folder / "dataset_info.json").is_file()


class LabeledFolder:
    """A folder of images, whose subfolders, if any, are the classes.

    Classes, including empty ones, are numbered in the order of their names, so that the
    splits of a data set agree.

    Args:
        folder: The folder.
        split: Name of the split.
        classes: Names of all classes in the order of their numbers; None for the names
            of the subfolders.

    Raises:
        FileNotFoundError: If there is no such folder.
        ValueError: If it has no image, mixes images with class folders, or has a class
            folder that is not among `classes`.
    """

    def __init__(
        self, folder: Path, split: str = "train", classes: Sequence[str] | None = None
    ) -> None:
        self._folder, self.split = folder, split
        self.left_out: Sequence[ExcludedPath]
        self._names, self.left_out = relative_names(folder)
        self.file_names: Sequence[str] | None = self._names
        if not self._names:
            raise ValueError(f"the folder {str(folder)!r} has no image")
        tops = [os.path.dirname(name).partition(os.sep)[0] for name in self._names]  # noqa: PTH120
        found = sorted(set(tops))
        if "" in found and len(found) > 1:
            stray = self._names[tops.index("")]
            raise ValueError(
                f"{str(folder)!r} has folders, which become classes, but also the "
                f"picture {stray!r} beside them: it would have no label"
            )
        known = _check_classes(folder, found, classes)
        self.classes: Mapping[str, Sequence[str] | int] = (
            {"label": [printable(name) for name in known]} if known else {}
        )
        self.empty_classes: Sequence[str] = [
            printable(name) for name in known if name not in found
        ]
        number = {name: i for i, name in enumerate(known)}
        self._labels = [number[top] for top in tops] if known else []
        self.description = describe_files(folder, self._names)
        if self.empty_classes:
            self.description += f", {len(known)} classes {_digest_of(known)}"

    def __len__(self) -> int:
        return len(self._names)

    def __getitem__(self, index: int) -> Picture:
        """Returns an image with its labels.

        Raises:
            OSError: If it cannot be read.
        """
        name = self._names[index]
        labels = {"label": self._labels[index]} if self.classes else {}
        encoded = (self._folder / name).read_bytes()
        return Picture(self.name(index), encoded, labels)

    def name(self, index: int) -> bytes:
        """Returns the path of an image within the folder."""
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
        # If classes have no names, TFDS generates names from their numbers.
        self.classes: Mapping[str, Sequence[str] | int] = {
            k: f.names or f.num_classes for k, f in labels.items()
        }
        self._source = builder.as_data_source(
            split=split, decoders={self._image: tfds.decode.SkipDecoding()}
        )
        self.split = split.partition("[")[0]
        self.description = f"{builder.info.full_name}, {split}: {len(self)} pictures"
        self.left_out: Sequence[ExcludedPath] = ()
        self.empty_classes: Sequence[str] = ()
        self.file_names: Sequence[str] | None = None

    def __len__(self) -> int:
        return len(self._source)

    def __getitem__(self, index: int) -> Picture:
        """Returns an image with its labels."""
        example = self._source[index]
        labels = {k: int(example[k]) for k in self.classes}
        return Picture(self.name(index), example[self._image], labels)

    def name(self, index: int) -> bytes:
        """Returns the index of an image in the split, as its name."""
        return str(index).encode()


def relative_names(folder: Path) -> tuple[list[str], list[ExcludedPath]]:
    """Returns all files of a folder with the suffix of an image, and the other paths.

    Dead links with such a suffix are among the first; reading them gives an error.

    Raises:
        FileNotFoundError: If there is no such folder.
    """
    images, others = list_folder(folder)
    dead = [entry for entry in others if _is_named_as_picture(entry, folder)]
    named = [*images, *(entry.path for entry in dead)]
    names = sorted(os.path.relpath(path, folder) for path in named)
    return names, [entry for entry in others if entry not in dead]


def _is_named_as_picture(entry: ExcludedPath, folder: Path) -> bool:
    relative = entry.path.relative_to(folder)
    return has_image_suffix(entry.path.name) and not is_passed_over(relative)


def read_classes(path: Path) -> tuple[str, ...]:
    """Returns the names of classes in a file with one name per line.

    `label.labels.txt` of another part of a TFDS data set is such a file.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it is not a text file, has no name, or has a name twice.
    """
    if not path.is_file():
        raise FileNotFoundError(f"there is no list of classes {str(path)!r}")
    try:
        lines = path.read_text("utf-8").splitlines()
    except UnicodeDecodeError:
        raise ValueError(
            f"the list of classes {str(path)!r} is not a text file"
        ) from None
    names = tuple(line.strip() for line in lines if line.strip())
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice or not names:
        what = f"names {twice[0]!r} twice" if twice else "names no class"
        raise ValueError(f"the list of classes {str(path)!r} {what}")
    return names


def _check_classes(
    folder: Path, found: Sequence[str], given: Sequence[str] | None
) -> list[str]:
    """Returns the names of all classes in order; none for images without labels."""
    if found == [""]:
        if given is not None:
            raise ValueError(
                f"classes are given, but the pictures in {str(folder)!r} lie in no "
                "class folders"
            )
        return []
    folders = {path.name for path in folder.iterdir() if path.is_dir()}
    known = sorted(name for name in folders if not is_tool_folder(name))
    if given is None:
        return known
    if unknown := [name for name in found if name not in given]:
        raise ValueError(
            f"the class folder {unknown[0]!r} in {str(folder)!r} is not among the "
            f"{len(given)} given classes"
        )
    return list(given)


def _digest_of(names: Sequence[str]) -> str:
    return hashlib.sha256(b"\0".join(map(os.fsencode, names))).hexdigest()[:16]


def describe_files(folder: Path, names: Sequence[str]) -> str:
    """Returns a line with the number of files and a digest of names and sizes."""
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
    from styleflax.datasets.builders.preparation import quiet_tfds  # noqa: PLC0415  (TFDS)

    with quiet_tfds():
        return action()


def _first_of(features: Mapping[str, Any], kind: type, name: str) -> str:
    for key, feature in features.items():
        if isinstance(feature, kind):
            return key
    raise ValueError(f"{name} has no picture among its features {sorted(features)}")


def printable(name: str) -> str:
    """Returns the name of a file with bytes that are not UTF-8 escaped."""
    return os.fsencode(name).decode("utf-8", "backslashreplace")
