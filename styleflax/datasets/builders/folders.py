"""Builders of data sets of the user's files, and of data sets that need none."""

import functools
import hashlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tensorflow_datasets as tfds
from PIL import Image as PillowImage

from styleflax.datasets.builders.base import (
    Candidate,
    PictureBuilder,
    PicturesConfig,
    candidates,
    jpeg,
)
from styleflax.files import check_folder
from styleflax.images import listing as samples
from styleflax.images.listing import RULES, RULES_OF_0_1, Rules, named_as_images

COCO_SUBSETS = ("train2014", "train2017", "val2017")
_COCO_URL = "http://images.cocodataset.org/zips/{}.zip"

WIKIART_INSTRUCTIONS = """\
The paintings cannot be downloaded without an account. Get one of
  - "Painter by Numbers" (kaggle.com/c/painter-by-numbers/data): train.zip, or
    any of the parts train_1.zip to train_9.zip;
  - WikiArt: a folder `wikiart` (or wikiart.zip) with a folder for each style;
and put it, zipped or unpacked, into {manual_dir}"""


class ImageFolder(PictureBuilder):
    """Any folder of images, searched recursively."""

    DESCRIPTION = "The pictures of a folder of the user's."


class CocoImages(PictureBuilder):
    """The photos of Microsoft COCO, without annotations.

    The addresses are those of the builders in TFDS 4.9.10 and of many public scripts;
    this project has not downloaded anything from them. If you have the zip file or the
    unpacked folder, put it into the manual folder instead.
    """

    DESCRIPTION = "Photographs of Microsoft COCO (Lin et al. 2014)."
    HOMEPAGE = "https://cocodataset.org"

    def candidates(self, dl_manager: Any) -> Iterator[Candidate]:
        """Yields the photos in `roots`, or in the downloaded zip file.

        Raises:
            FileNotFoundError: If the download failed.
        """
        if self.builder_config.roots:
            yield from super().candidates(dl_manager)
            return
        url = _COCO_URL.format(self.builder_config.name)
        tfds.enable_progress_bar()
        try:
            archive = Path(dl_manager.download(url))
        except Exception as error:  # errors of connection, proxy, HTTP status or disk
            raise FileNotFoundError(
                f"cannot download {url} ({str(error).partition(chr(10))[0]}); put "
                f"{self.builder_config.name}.zip into the manual folder instead"
            ) from None
        finally:
            tfds.disable_progress_bar()
        yield from candidates(archive, self.builder_config.rules)


class Wikiart(PictureBuilder):
    """Paintings: the Painter by Numbers or the WikiArt collection."""

    DESCRIPTION = "Paintings of WikiArt.org, as collected for Painter by Numbers."
    HOMEPAGE = "https://www.kaggle.com/c/painter-by-numbers"
    MANUAL_DOWNLOAD_INSTRUCTIONS = WIKIART_INSTRUCTIONS


def image_folder_config(path: Path, rules: Rules = RULES) -> PicturesConfig:
    """Returns the config of a folder in its current state.

    Raises:
        FileNotFoundError: If there is no such folder.
        ValueError: If it is a file or a URL, or nothing in it is named as a picture.
    """
    path = path.expanduser().absolute()
    check_folder(path, "image_folder:PATH", "a folder", "pictures:PATH takes a file")
    files = named_as_images(path, rules)
    if not files:
        raise ValueError(
            f"the folder {str(path)!r} has no image: no file in it or below it "
            f"ends in {', '.join(sorted(rules.suffixes))}"
        )
    return PicturesConfig(_files_digest(files), roots=(path,), rules=rules)


def coco_config(subset: str, manual_dir: Path, rules: Rules = RULES) -> PicturesConfig:
    """Returns the config of a subset of COCO, from the manual folder if possible.

    Raises:
        ValueError: If there is no such subset.
    """
    if subset not in COCO_SUBSETS:
        raise ValueError(
            f"coco_images has no subset {subset!r}; it has {', '.join(COCO_SUBSETS)}"
        )
    roots = _existing(manual_dir, (subset,))
    name = f"{subset}-{listing_digest(roots, rules)}" if roots else subset
    return PicturesConfig(name=name, roots=tuple(roots), rules=rules)


def wikiart_config(manual_dir: Path, rules: Rules = RULES) -> PicturesConfig:
    """Returns the config of the paintings in the manual folder.

    Raises:
        FileNotFoundError: If they are missing; the error says how to get them.
    """
    whole = _existing(manual_dir, ("train", "wikiart"))
    parts = _existing(manual_dir, tuple(f"train_{i}" for i in range(1, 10)))
    # train.zip contains all parts, so only one of the three is used.
    roots = whole[:1] or parts
    if not roots:
        raise FileNotFoundError(
            WIKIART_INSTRUCTIONS.format(manual_dir=repr(str(manual_dir)))
        )
    return PicturesConfig(listing_digest(roots, rules), roots=tuple(roots), rules=rules)


def _existing(folder: Path, stems: tuple[str, ...]) -> list[Path]:
    """Returns the folder, or else the zip file, of each stem that exists."""
    found = []
    for stem in stems:
        if (folder / stem).is_dir():
            found.append(folder / stem)
        elif (folder / f"{stem}.zip").is_file():
            found.append(folder / f"{stem}.zip")
    return found


def listing_digest(roots: list[Path], rules: Rules = RULES) -> str:
    """Returns a digest of all paths, sizes and modification times in the roots."""
    files: list[Path] = []
    for root in roots:
        files += named_as_images(root, rules) if root.is_dir() else [root]
    if rules == RULES_OF_0_1 or all(root.is_dir() for root in roots):
        return _files_digest(files)
    return _files_digest(
        files, rules.describe()
    )  # the name of a zip file does not determine its content


def _files_digest(files: list[Path], salt: str = "") -> str:
    digest = hashlib.sha256(salt.encode())
    for path in files:
        try:
            status = path.stat()
            state = f"{status.st_size} {status.st_mtime_ns}"
        except OSError:  # a dead link, which may become valid later
            state = "missing"
        digest.update(os.fsencode(path) + b"\0" + state.encode() + b"\n")
    return digest.hexdigest()[:16]


class SamplePhotos(PictureBuilder):
    """The color photos in scikit-image, except one that remains for tests."""

    DESCRIPTION = "Color photos from scikit-image's wheel."
    HOMEPAGE = "https://scikit-image.org"

    def candidates(self, dl_manager: Any) -> Iterator[Candidate]:
        """Yields the training photos."""
        del dl_manager
        for path in samples.training_photos():
            yield Candidate(path.name, path.read_bytes)


@dataclass(eq=False)
class ProceduralConfig(PicturesConfig):
    """Number and size of paintings."""

    num_pictures: int = 160
    size_px: int = 320
    seed: int = 0


class ProceduralArt(PictureBuilder):
    """Paintings by this project's own code, equally many of each family."""

    DESCRIPTION = "Paintings generated by styleflax.art."

    def candidates(self, dl_manager: Any) -> Iterator[Candidate]:
        """Yields the paintings; each is painted on reading."""
        del dl_manager
        from styleflax import art as procedural  # noqa: PLC0415 - heavy to import

        config = self.builder_config
        for index in range(config.num_pictures):
            family = procedural.FAMILIES[index % len(procedural.FAMILIES)]
            # A prime apart, so that neighboring seeds share no painting.
            seed = config.seed * 1_000_003 + index
            paint = functools.partial(_painted, family, seed, config.size_px)
            yield Candidate(f"{family}/{index:06d}.jpg", paint)


def sample_photos_config() -> PicturesConfig:
    """Returns the config of the photos in the installed scikit-image."""
    return PicturesConfig(name=_digest(samples.training_photos()))


def procedural_config(
    num_pictures: int = 160, size_px: int = 320, seed: int = 0
) -> ProceduralConfig:
    """Returns a config whose name also changes with the code of the paintings.

    Args:
        num_pictures: Total number of paintings; the families alternate.
        size_px: Side of the square paintings in pixels.
        seed: Seed of the paintings.

    Raises:
        ValueError: If `num_pictures` is below 1, or `size_px` below 16.
    """
    if num_pictures < 1 or size_px < 16 or seed < 0:
        raise ValueError(
            "num_pictures, size_px and seed of procedural_art must be at least 1, 16 "
            f"and 0, got {num_pictures}, {size_px} and {seed}"
        )
    from styleflax import art as procedural  # noqa: PLC0415 - heavy to import

    code = _digest(sorted(Path(procedural.__file__).parent.glob("*.py")))
    return ProceduralConfig(
        name=f"{num_pictures}x{size_px}px-seed{seed}-{code}",
        num_pictures=num_pictures,
        size_px=size_px,
        seed=seed,
    )


def _painted(family: str, seed: int, size_px: int) -> bytes:
    from styleflax import art as procedural  # noqa: PLC0415 - heavy to import

    return jpeg(PillowImage.fromarray(procedural.paint(family, seed, size_px)))


def _digest(paths: list[Path]) -> str:
    digest = hashlib.sha256()
    for path in paths:
        digest.update(path.name.encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()[:8]
