"""The base of all builders: selection of images, report and features."""

import dataclasses
import io
import itertools
import json
import os
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path, PurePosixPath
from typing import Any, ClassVar, NamedTuple
from zipfile import BadZipFile, ZipFile

import tensorflow_datasets as tfds
from PIL.Image import Image, Resampling
from tqdm import tqdm

from styleflax.images.decoding import (
    ImageError,
    decoding,
    exif_orientation,
    one_line,
    open_image,
    upright_rgb,
)
from styleflax.images.listing import (
    RULES,
    ExcludedPath,
    Rules,
    has_image_suffix,
    is_passed_over,
    list_folder,
    named_as_images,
    why_not_by_name,
)
from styleflax.images.read import other_frames

MAX_SHORT_SIDE_PX = 1024
"""Short side to which larger images are reduced at preparation: training uses crops of
256 to 512 px, and decoding a scan of 100 megapixels takes seconds."""

_MAX_BYTES_IN_ZIP = 2**30
_NUM_THREADS = min(4, os.cpu_count() or 1)


class Candidate(NamedTuple):
    """A file that may be an image."""

    name: str
    """Name, unique within the dataset, with forward slashes."""
    read: Callable[[], bytes]


class Screened(NamedTuple):
    """An image to store, or the reason to exclude it."""

    name: str
    encoded: bytes | None
    reason: str
    remark: str = ""
    """Note on parts that are not stored, or ""."""


def candidates(root: Path, rules: Rules = RULES) -> Iterator[Candidate]:
    """Yields the files with the suffix of an image in a folder or zip file, sorted.

    Raises:
        ValueError: If the zip file is damaged or incomplete.
    """
    if root.is_dir():
        for path in named_as_images(root, rules):
            yield Candidate(path.relative_to(root).as_posix(), _file_reader(path))
        return
    # Not closed here: the readers outlive this generator, and the last one closes it.
    archive = _open_zip(root)
    for name in _visible_names(archive, rules):
        if has_image_suffix(name, rules.suffixes):
            yield Candidate(name, _member_reader(archive, name))


def left_out_of(root: Path, rules: Rules = RULES) -> list[ExcludedPath]:
    """Returns the paths that `candidates` excludes from a folder or a zip file.

    Dead links with the suffix of an image are candidates, which fail later.

    Raises:
        ValueError: If the zip file is damaged or incomplete.
    """
    if root.is_dir():
        left_out = list_folder(root, rules.suffixes, rules).left_out
        return [x for x in left_out if not _is_candidate(x, root, rules)]
    with _open_zip(root) as archive:
        names = [n for n in _visible_names(archive, rules) if not n.endswith("/")]
    reasons = ((name, why_not_by_name(name, rules.suffixes)) for name in names)
    return [ExcludedPath(Path(name), reason) for name, reason in reasons if reason]


def _is_candidate(entry: ExcludedPath, root: Path, rules: Rules) -> bool:
    relative = entry.path.relative_to(root)
    named = has_image_suffix(entry.path.name, rules.suffixes)
    return named and not is_passed_over(relative, rules)


def _open_zip(path: Path) -> ZipFile:
    try:
        return ZipFile(path)
    except BadZipFile:
        raise ValueError(f"{str(path)!r} is not a zip file, or incomplete") from None


def _visible_names(archive: ZipFile, rules: Rules) -> list[str]:
    names = sorted(archive.namelist())
    return [n for n in names if not is_passed_over(PurePosixPath(n), rules)]


def screened(found: Iterable[Candidate]) -> Iterator[Screened]:
    """Yields the bytes to store of every candidate, or the reason to exclude it."""
    found = iter(found)
    with ThreadPoolExecutor(_NUM_THREADS) as pool:
        while chunk := list(itertools.islice(found, 16 * _NUM_THREADS)):
            yield from pool.map(_screen, chunk)


def storable(encoded: bytes, name: str = "the data") -> bytes:
    """Returns the bytes to store for an image, after decoding it once as a check.

    A JPEG or PNG in upright, opaque, 8-bit color or gray is stored unchanged. Others
    (EXIF rotation, transparency, palettes, CMYK, 16 bits, other formats, a short side
    over `MAX_SHORT_SIDE_PX`) become JPEG of quality 95 without chroma subsampling.

    Args:
        encoded: The encoded image.
        name: Name of the image in messages.

    Raises:
        ImageError: If it is not an image, is damaged, too small or too large.
    """
    with open_image(encoded) as image:
        short_px = min(image.size)
        plain = _decodes_simply(image)
        # A draft reads all data of a JPEG, so damage is found, but skips most of the
        # arithmetic.
        draft_px = 16 if plain else MAX_SHORT_SIDE_PX
        image.draft(None, (draft_px, draft_px))
        with decoding(image, name):
            if plain:
                image.load()
                return encoded
            return jpeg(_shrunk(upright_rgb(image), short_px))


def _decodes_simply(image: Image) -> bool:
    return (
        image.format in {"JPEG", "PNG"}
        and image.mode in {"RGB", "L"}
        and not image.has_transparency_data
        and exif_orientation(image) == 1
        and min(image.size) <= MAX_SHORT_SIDE_PX
    )


def _shrunk(image: Image, short_px: int) -> Image:
    if short_px <= MAX_SHORT_SIDE_PX:
        return image
    scale = MAX_SHORT_SIDE_PX / min(image.size)
    width, height = (max(1, round(side * scale)) for side in image.size)
    return image.resize((width, height), Resampling.LANCZOS, reducing_gap=3.0)


def jpeg(image: Image) -> bytes:
    """Returns an image as JPEG of high quality that decodes fast."""
    file = io.BytesIO()
    image.save(file, format="JPEG", quality=95, subsampling=0)
    return file.getvalue()


def _screen(candidate: Candidate) -> Screened:
    try:
        given = candidate.read()
        encoded = storable(given, repr(candidate.name))
    except MemoryError:
        raise  # not a fault of the image, which would be excluded permanently
    except Exception as error:  # reading from disk and zip files fails in many ways
        return Screened(candidate.name, None, one_line(error))
    return Screened(candidate.name, encoded, "", other_frames(given))


def _file_reader(path: Path) -> Callable[[], bytes]:
    def read() -> bytes:
        if path.is_dir():
            raise ImageError("a folder, not a file")
        if path.exists() and not path.is_file():  # opening a named pipe would block
            raise ImageError("not a regular file")
        return path.read_bytes()

    return read


def _member_reader(archive: ZipFile, name: str) -> Callable[[], bytes]:
    def read() -> bytes:
        if (size := archive.getinfo(name).file_size) > _MAX_BYTES_IN_ZIP:
            raise ImageError(f"unpacks to {size} bytes, more than a picture may have")
        return archive.read(name)

    return read


REPORT_NAME = "report.json"
"""File of a data set: the number of its images, and which ones are missing."""


@dataclasses.dataclass(eq=False)
class PicturesConfig(tfds.core.BuilderConfig):
    """The location of images; `name` must change whenever they change."""

    roots: tuple[Path, ...] = ()
    """Folders or zip files of images."""
    rules: Rules = RULES
    """Rules that decide which of their files are images."""


class PictureBuilder(  # type: ignore[call-arg]
    tfds.core.GeneratorBasedBuilder, skip_registration=True
):
    """Stores the usable images of `candidates` and reports the others."""

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
        """Yields the candidates of the dataset; builders that download override it."""
        del dl_manager
        several = len(self.builder_config.roots) > 1
        for root in self.builder_config.roots:
            for found in candidates(root, self.builder_config.rules):
                # train_1 and train_2 may both contain 1.jpg
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
    """Raised if every candidate was skipped; the argument is the report."""
