"""Two streams of random crops, each a pure function of (seed, step)."""

import logging
from collections.abc import Iterator
from typing import Any

import grain
import numpy as np
from absl import flags

from styleflax.data.augment import checked_range, random_crop
from styleflax.data.decoding import ImageError
from styleflax.data.sources import PictureSource

_LOGGER = logging.getLogger(__name__)

_STYLE_SEED_OFFSET = 1_000_003
"""Keeps the style stream independent of the content stream of the same seed."""

_PREFETCHED_BATCHES = 4

Batch = dict[str, np.ndarray]


class PairStream:
    """Batches of content and style crops, in any order and from any step.

    Make one with `make_pair_stream`. Batches are uint8, which takes a quarter of the
    memory and of the way to the device; `styleflax.data.images.to_float` or the
    device turns them into [0, 1].

    Attributes:
        damaged: Role ("content", "style") -> places in the source of the pictures
            that could not be decoded and were replaced by the next one in order.
    """

    def __init__(self, dataset: grain.MapDataset) -> None:
        self._dataset = dataset
        self.damaged: dict[str, set[int]] = {"content": set(), "style": set()}

    def batch_at(self, step: int) -> Batch:
        """Returns the batch of a step: what `iterate` yields there.

        Raises:
            ValueError: `step` is negative.
            ImageError: Not one picture of a source can be decoded.
        """
        _check_step("step", step)
        return self._reported(self._dataset[step])

    def iterate(
        self, start_step: int = 0, num_workers: int = 0, num_threads: int = 2
    ) -> Iterator[Batch]:
        """Yields batches without end, {"content", "style"}: uint8 (b, h, w, 3).

        The batches do not depend on the numbers of workers and threads.

        Args:
            start_step: The first batch is that of this step; it costs no more
                than the first.
            num_workers: Processes that decode; 0 leaves it to threads of this one.
                They start in seconds, and need `if __name__ == "__main__"` in the
                main program.
            num_threads: Threads that decode, in each process.

        Raises:
            ValueError: A number is negative.
        """
        _check_step("start_step", start_step)
        _check_step("num_workers", num_workers)
        _check_step("num_threads", num_threads)
        dataset = self._dataset[start_step:].to_iter_dataset(
            grain.ReadOptions(
                num_threads=num_threads,
                prefetch_buffer_size=_PREFETCHED_BATCHES if num_threads else 0,
            )
        )
        if num_workers:
            # Grain hands absl's flags to its workers, and absl refuses to read
            # flags before a command line has been parsed.
            if not flags.FLAGS.is_parsed():
                flags.FLAGS.mark_as_parsed()
            dataset = dataset.mp_prefetch(
                grain.MultiprocessingOptions(num_workers=num_workers)
            )
        return self._iterate(dataset)

    def _iterate(self, dataset: grain.IterDataset) -> Iterator[Batch]:
        batches = iter(dataset)
        try:
            for batch in batches:
                yield self._reported(batch)
        finally:
            batches.close()

    def _reported(self, batch: dict[str, dict[str, np.ndarray]]) -> Batch:
        """Drops the record of damaged pictures from a batch, logging new ones."""
        for role, elements in batch.items():
            new = set(elements["damaged"].ravel().tolist()) - self.damaged[role] - {-1}
            for index in sorted(new):
                _LOGGER.warning(
                    "%s picture %d can no longer be decoded; the next one replaces it",
                    role,
                    index,
                )
            self.damaged[role] |= new
        return {role: elements["image"] for role, elements in batch.items()}


def make_pair_stream(
    content_source: PictureSource,
    style_source: PictureSource,
    *,
    crop_px: int,
    batch_size: int,
    seed: int,
    resize_px: int | tuple[int, int],
    flip: bool,
    process_index: int = 0,
    process_count: int = 1,
) -> PairStream:
    """Returns the stream of content and style crops of one process.

    Each source is shuffled anew in every epoch, independently of the other. What
    all processes read together in a step depends on `seed` and the step alone.

    Args:
        content_source: Encoded photographs.
        style_source: Encoded paintings.
        crop_px: Side of the square crops in pixels.
        batch_size: Pictures of each kind per step, over all processes.
        seed: Another seed gives another order and other crops.
        resize_px: See `styleflax.data.augment.random_crop`.
        flip: See `styleflax.data.augment.random_crop`.
        process_index: This process; it takes every `process_count`-th picture.
        process_count: Processes that train together.

    Raises:
        ValueError: A source is empty, `batch_size` is not a positive multiple of
            `process_count`, or the sizes do not fit.
    """
    checked_range(crop_px, resize_px)
    if batch_size < 1 or process_count < 1 or batch_size % process_count:
        raise ValueError(
            f"batch_size is {batch_size}; it must be a positive multiple of the "
            f"number of processes, {process_count}"
        )
    if not 0 <= process_index < process_count:
        raise ValueError(f"process_index is {process_index} of {process_count}")
    streams = []
    for offset, role, source in (
        (0, "content", content_source),
        (_STYLE_SEED_OFFSET, "style", style_source),
    ):
        if len(source) == 0:
            raise ValueError(f"the {role} source holds no picture")
        crops = (
            grain.MapDataset.range(len(source))
            .seed(seed + offset)
            .shuffle()
            .repeat(None)
            .random_map(_Crop(source, crop_px, resize_px, flip))
        )
        if process_count > 1:
            crops = crops[process_index::process_count]
        streams.append(crops.batch(batch_size // process_count, drop_remainder=True))
    zipped = grain.experimental.ZipMapDataset(streams)
    return PairStream(zipped.map(_named))


class _Crop(grain.transforms.RandomMap):
    """The crop of the picture at a place, or of the next that can be decoded."""

    def __init__(
        self,
        source: PictureSource,
        crop_px: int,
        resize_px: int | tuple[int, int],
        flip: bool,
    ) -> None:
        self._source = source
        self._crop = (crop_px, resize_px, flip)

    def random_map(
        self, element: int, rng: np.random.Generator
    ) -> dict[str, np.ndarray]:
        """Returns the crop and the place of the damaged picture, -1 if sound."""
        error: Exception | None = None
        for shift in range(len(self._source)):
            index = (element + shift) % len(self._source)
            try:
                image = random_crop(self._source[index], rng, *self._crop)
            except (ImageError, OSError, RuntimeError, ValueError) as failure:
                error = failure
                continue
            return {"image": image, "damaged": np.array(element if shift else -1)}
        raise ImageError(f"no picture of {self._source!r} can be decoded: {error}")


def _named(pair: tuple[Any, Any]) -> dict[str, Any]:
    return {"content": pair[0], "style": pair[1]}


def _check_step(name: str, value: int) -> None:
    if value < 0:
        raise ValueError(f"{name} is {value}; it must be at least 0")
