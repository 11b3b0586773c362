"""The input pipeline: batches of random crops as a function of (seed, step).

A source gives encoded images by index, a crop is decoded and cut from each, and a
stream of Grain shuffles two sources and batches their crops. `datasets.sources` opens
sources by name.
"""

import bisect
import itertools
import logging
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from jaxtyping import UInt8
from PIL import Image as PillowImage
from PIL.Image import Image, Resampling, Transpose

from styleflax.images.decoding import ImageError, decoding, open_image, upright_rgb

if TYPE_CHECKING:
    import grain

_LOGGER = logging.getLogger(__name__)

_SEED_OFFSETS = {"content": 0, "style": 1_000_003}
"""Offsets that make the content and style streams of one seed independent."""

_MAX_SEED = 2**31

_PREFETCHED_BATCHES = 4

Batch = dict[str, np.ndarray]


class PictureSource(Protocol):
    """Encoded images in a fixed order; picklable, so that workers can read it."""

    def __len__(self) -> int: ...

    def __getitem__(self, index: int) -> bytes: ...

    def name(self, index: int) -> str:
        """Returns the name of an image, with forward slashes."""
        ...


class PreparedPictures:
    """The encoded images of one prepared dataset."""

    def __init__(self, folder: Path) -> None:
        import tensorflow_datasets as tfds  # noqa: PLC0415  (slow, and not everywhere)

        from styleflax.datasets.builders.preparation import (  # noqa: PLC0415
            quiet_tfds,
        )

        self._folder = folder
        with quiet_tfds():
            builder = tfds.builder_from_directory(folder)
            self._name: str = builder.info.full_name
            self._source = builder.as_data_source(
                split="train", decoders={"image": tfds.decode.SkipDecoding()}
            )

    def __len__(self) -> int:
        return len(self._source)

    def __getitem__(self, index: int) -> bytes:
        encoded: bytes = self._source[index]["image"]
        return encoded

    def name(self, index: int) -> str:
        """Returns the name under which an image was prepared."""
        return os.fsdecode(self._source[index]["name"])

    def __repr__(self) -> str:
        return f"PreparedPictures({self._name!r}, {len(self)} pictures)"

    # Worker processes open the files again.
    def __reduce__(self) -> tuple[Any, ...]:
        return PreparedPictures, (self._folder,)


class FilePictures:
    """The encoded images in files, read again each time."""

    def __init__(self, files: Sequence[Path]) -> None:
        self._files = list(files)

    def __len__(self) -> int:
        return len(self._files)

    def __getitem__(self, index: int) -> bytes:
        if not 0 <= index < len(self):
            raise IndexError(f"picture {index} of {len(self)}")
        return self._files[index].read_bytes()

    def name(self, index: int) -> str:
        """Returns the name of the file, without its folder."""
        return self._files[index].name

    def __repr__(self) -> str:
        return f"FilePictures({len(self)} pictures)"


class Concatenated:
    """The concatenated images of several sources."""

    def __init__(self, sources: Sequence[PictureSource]) -> None:
        self._sources = list(sources)
        self._ends = list(itertools.accumulate(len(source) for source in sources))

    def __len__(self) -> int:
        return self._ends[-1]

    def __getitem__(self, index: int) -> bytes:
        source, place = self._find(index)
        return source[place]

    def name(self, index: int) -> str:
        """Returns the name of an image in its source."""
        source, place = self._find(index)
        return source.name(place)

    def _find(self, index: int) -> tuple[PictureSource, int]:
        if not 0 <= index < len(self):
            raise IndexError(f"picture {index} of {len(self)}")
        which = bisect.bisect_right(self._ends, index)
        start = self._ends[which - 1] if which else 0
        return self._sources[which], index - start

    def __repr__(self) -> str:
        return " + ".join(map(repr, self._sources))


def random_crop(
    picture: bytes | UInt8[np.ndarray, "h w 3"],
    rng: np.random.Generator,
    crop_px: int,
    resize_px: int | tuple[int, int],
    flip: bool,
) -> UInt8[np.ndarray, "crop_px crop_px 3"]:
    """Returns a random square crop of an image resized with its aspect ratio.

    The result is that of resizing the whole image and cropping, but only the square is
    resampled, which takes half the time.

    Args:
        picture: An encoded image, or its pixels.
        rng: Generator of the scale, the position and the flip.
        crop_px: Side of the square in pixels, at most the resized short side.
        resize_px: Short side of the resized image in pixels (smaller images are
            enlarged), or the range (lowest, highest) from which it is drawn.
        flip: Whether half of the crops are mirrored horizontally.

    Raises:
        ImageError: If the picture cannot be decoded.
        ValueError: If `crop_px` is above the lowest `resize_px`, or below 1.
    """
    lowest, highest = checked_range(crop_px, resize_px)
    short_px = int(rng.integers(lowest, highest + 1))
    x, y = rng.random(2)
    mirrored = flip and rng.random() < 0.5
    image = _decoded(picture, short_px)
    # Side of the square in the image's own pixels; a draft by libjpeg is smaller but
    # has the same aspect ratio.
    side = min(image.size) * crop_px / short_px
    left, top = x * (image.width - side), y * (image.height - side)
    crop = image.resize(
        (crop_px, crop_px),
        Resampling.BICUBIC,
        box=(left, top, min(left + side, image.width), min(top + side, image.height)),
    )
    return np.asarray(crop.transpose(Transpose.FLIP_LEFT_RIGHT) if mirrored else crop)


def center_crop(
    picture: bytes | UInt8[np.ndarray, "h w 3"], crop_px: int
) -> UInt8[np.ndarray, "crop_px crop_px 3"]:
    """Returns the center square of an image, resized to `crop_px`.

    Args:
        picture: An encoded image, or its pixels.
        crop_px: Side of the square in pixels.

    Raises:
        ImageError: If the picture cannot be decoded.
    """
    image = _decoded(picture, crop_px)
    side = min(image.size)
    left, top = (image.width - side) / 2, (image.height - side) / 2
    crop = image.resize(
        (crop_px, crop_px),
        Resampling.BICUBIC,
        box=(left, top, left + side, top + side),
    )
    return np.asarray(crop)


def checked_range(crop_px: int, resize_px: int | tuple[int, int]) -> tuple[int, int]:
    """Returns the lowest and the highest short side.

    Raises:
        ValueError: If `crop_px` is above the lowest `resize_px`, or below 1.
    """
    lowest, highest = (
        (resize_px, resize_px) if isinstance(resize_px, int) else resize_px
    )
    if not 1 <= crop_px <= lowest <= highest:
        raise ValueError(
            "crop_px must be at least 1 and at most the lowest resize_px, and that at "
            f"most the highest, got crop_px {crop_px} and resize_px {resize_px}"
        )
    return lowest, highest


def _decoded(picture: bytes | np.ndarray, short_px: int) -> Image:
    if isinstance(picture, np.ndarray):
        return PillowImage.fromarray(picture)
    with open_image(picture) as image:
        # JPEG decodes faster at an eighth, a quarter or half of its size; both sides
        # of such a draft have at least this length.
        image.draft("RGB", (short_px, short_px))
        with decoding(image, "the data"):
            return upright_rgb(image)


def import_grain() -> Any:
    """Returns the module `grain`, which is not available on every platform.

    Raises:
        ImportError: If it has no build for this platform, or is not installed.
    """
    try:
        import grain  # noqa: PLC0415
    except ImportError as error:
        raise ImportError(
            "training requires grain, which has no build for this platform or is not "
            f"installed ({error})"
        ) from None
    return grain


class PairStream:
    """Batches of content and style crops, accessible from any step.

    It is created by `make_pair_stream`. Batches are uint8, a quarter of float32 in
    memory and transfer; the training step converts them to [0, 1] on the device.

    Attributes:
        damaged: By role ("content", "style"), indices in the source of the images that
            could not be decoded and were replaced by the next one in order.

    Args:
        dataset: Dataset of Grain with the elements of both roles.
        with_index: Whether batches contain the indices of styles in their source.
    """

    def __init__(
        self, dataset: "grain.MapDataset", *, with_index: bool = False
    ) -> None:
        self._dataset, self._with_index = dataset, with_index
        self.damaged: dict[str, set[int]] = {"content": set(), "style": set()}

    def batch_at(self, step: int) -> Batch:
        """Returns the batch of a step, equal to that of `iterate`.

        Raises:
            ValueError: If `step` is negative.
            ImageError: If no image of a source can be decoded.
        """
        _check_step("step", step)
        return self._reported(self._dataset[step])

    def iterate(
        self, start_step: int = 0, num_workers: int = 0, num_threads: int = 2
    ) -> Iterator[Batch]:
        """Yields batches endlessly, {"content", "style"}: uint8 (b, h, w, 3).

        If styles are not cropped at random, batches also contain "style_index": int32
        (b,). They do not depend on the numbers of workers and threads.

        Args:
            start_step: Step of the first batch; starting late takes no extra time.
            num_workers: Number of processes that decode images; 0 uses threads of this
                process. Processes take seconds to start, and need
                `if __name__ == "__main__"` in the main program.
            num_threads: Number of threads that decode images in each process.

        Raises:
            ValueError: If a number is negative.
        """
        _check_step("start_step", start_step)
        _check_step("num_workers", num_workers)
        _check_step("num_threads", num_threads)
        grain = import_grain()
        dataset = self._dataset[start_step:].to_iter_dataset(
            grain.ReadOptions(
                num_threads=num_threads,
                prefetch_buffer_size=_PREFETCHED_BATCHES if num_threads else 0,
            )
        )
        if num_workers:
            # Grain passes absl's flags to its workers, and absl refuses to read flags
            # before a command line has been parsed.
            from absl import flags  # noqa: PLC0415  (workers alone need it)

            if not flags.FLAGS.is_parsed():
                flags.FLAGS.mark_as_parsed()
            dataset = dataset.mp_prefetch(
                grain.MultiprocessingOptions(num_workers=num_workers)
            )
        return self._iterate(dataset)

    def _iterate(self, dataset: "grain.IterDataset") -> Iterator[Batch]:
        batches = iter(dataset)
        try:
            for batch in batches:
                yield self._reported(batch)
        finally:
            batches.close()

    def _reported(self, batch: dict[str, dict[str, np.ndarray]]) -> Batch:
        """Returns a batch without its record of damaged images, and logs new ones."""
        for role, elements in batch.items():
            new = set(elements["damaged"].ravel().tolist()) - self.damaged[role] - {-1}
            for index in sorted(new):
                _LOGGER.warning(
                    "%s picture %d can no longer be decoded; the next one replaces it",
                    role,
                    index,
                )
            self.damaged[role] |= new
        # A copy, because workers reuse their shared memory.
        copied = {role: np.array(elements["image"]) for role, elements in batch.items()}
        if self._with_index:
            copied["style_index"] = batch["style"]["index"].astype(np.int32)
        return copied


def make_pair_stream(  # noqa: PLR0913  (a user's keyword arguments)
    content_source: PictureSource,
    style_source: PictureSource,
    *,
    crop_px: int,
    batch_size: int,
    seed: int,
    resize_px: int | tuple[int, int],
    flip: bool,
    style_px: int = 0,
    process_index: int = 0,
    process_count: int = 1,
) -> PairStream:
    """Returns the stream of content and style crops of one process.

    Each source is shuffled again in every epoch, independently of the other. The global
    batch of all processes depends only on `seed` and the step.

    Args:
        content_source: Encoded photos.
        style_source: Encoded paintings.
        crop_px: Side of the square crops in pixels.
        batch_size: Number of images of each role per step, over all processes.
        seed: Seed of the order and the crops.
        resize_px: Short side of the resized images, or its range; see `random_crop`.
        flip: Whether half of the crops are mirrored horizontally.
        style_px: If above 0, the center squares of styles, resized to this side, are
            used instead of random crops.
        process_index: Index of this process, which takes every `process_count`-th
            image.
        process_count: Number of processes.

    Raises:
        ValueError: If a source is empty, `batch_size` is not a positive multiple of
            `process_count`, the seed is out of range, or the sizes do not fit.
    """
    grain = import_grain()
    checked_range(crop_px, resize_px)
    _check_share(batch_size, process_index, process_count)
    streams = []
    for role, source in (("content", content_source), ("style", style_source)):
        whole_px = style_px if role == "style" else 0
        crop = _Crop(source, crop_px, resize_px, flip, whole_px)
        crops = _shuffled(crop, role, seed)
        # Sharded after the shuffle, so that the batches of all processes together
        # equal the batch of a single process.
        if process_count > 1:
            crops = crops[process_index::process_count]
        streams.append(crops.batch(batch_size // process_count, drop_remainder=True))
    dataset = grain.experimental.ZipMapDataset(streams).map(_named)
    return PairStream(dataset, with_index=style_px > 0)


class _Crop:
    """Returns the crop of the image at an index, or of the next readable one."""

    def __init__(
        self,
        source: PictureSource,
        crop_px: int,
        resize_px: int | tuple[int, int],
        flip: bool,
        whole_px: int,
    ) -> None:
        self._source, self._whole_px = source, whole_px
        self._crop = (crop_px, resize_px, flip)

    @property
    def num_pictures(self) -> int:
        return len(self._source)

    def __call__(self, element: int, rng: np.random.Generator) -> dict[str, np.ndarray]:
        """Returns the crop, the index of its image, and that of a damaged one or -1."""
        error: Exception | None = None
        for shift in range(len(self._source)):
            index = (element + shift) % len(self._source)
            try:
                if self._whole_px:
                    image = center_crop(self._source[index], self._whole_px)
                else:
                    image = random_crop(self._source[index], rng, *self._crop)
            except (ImageError, OSError, RuntimeError, ValueError) as failure:
                error = failure
                continue
            damaged = np.array(element if shift else -1)
            return {"image": image, "index": np.array(index), "damaged": damaged}
        raise ImageError(f"no image of {self._source!r} can be decoded: {error}")


def _shuffled(crop: _Crop, role: str, seed: int) -> "grain.MapDataset":
    """Returns endless crops, with a new order in every epoch."""
    if not 0 <= seed < _MAX_SEED:
        raise ValueError(f"seed must be from 0 to {_MAX_SEED - 1}, got {seed}")
    if crop.num_pictures == 0:
        raise ValueError(f"the {role} source has no image")
    places = import_grain().MapDataset.range(crop.num_pictures)
    places = places.seed(seed + _SEED_OFFSETS[role]).shuffle()
    return places.repeat(None).random_map(crop)


def _named(pair: tuple[Any, Any]) -> dict[str, Any]:
    return {"content": pair[0], "style": pair[1]}


def _check_share(batch_size: int, process_index: int, process_count: int) -> None:
    if batch_size < 1 or process_count < 1 or batch_size % process_count:
        raise ValueError(
            "batch_size must be a positive multiple of the number of processes, "
            f"{process_count}, got {batch_size}"
        )
    if not 0 <= process_index < process_count:
        raise ValueError(
            f"process_index must be from 0 to {process_count - 1}, got {process_index}"
        )


def _check_step(name: str, value: int) -> None:
    if value < 0:
        raise ValueError(f"{name} must be at least 0, got {value}")
