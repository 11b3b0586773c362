"""Two streams of random crops, each a pure function of (seed, step)."""

import logging
from collections.abc import Iterator
from typing import Any

import numpy as np
from absl import flags

from styleflax.datasets.augment import center_crop, checked_range, random_crop
from styleflax.datasets.sources import PictureSource
from styleflax.images.decoding import ImageError
from styleflax.images.files import to_float

try:
    import grain
except ImportError as error:
    raise ImportError(
        "training requires grain, which has no build for this platform or is not "
        f"installed ({error})"
    ) from None

_LOGGER = logging.getLogger(__name__)

_SEED_OFFSETS = {"content": 0, "style": 1_000_003}
"""Keep the style stream independent of the content stream of the same seed."""

_MAX_SEED = 2**31

_PREFETCHED_BATCHES = 4

Batch = dict[str, np.ndarray]


class PairStream:
    """Batches of content and style crops, in any order and from any step.

    Make one with `make_pair_stream`. Batches are uint8, which takes a quarter of the
    memory and of the way to the device; `as_float` or the device
    turns them into [0, 1].

    Attributes:
        damaged: Role ("content", "style") -> places in the source of the pictures
            that could not be decoded and were replaced by the next one in order.

    Args:
        dataset: Makes the elements of both roles.
        with_index: Whether batches hold the places of styles in their source.
    """

    def __init__(self, dataset: grain.MapDataset, *, with_index: bool = False) -> None:
        self._dataset, self._with_index = dataset, with_index
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

        With styles seen whole, also "style_index": int32 (b,). The batches do not
        depend on the numbers of workers and threads.

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
        # A copy, because workers hand over memory that they share and reuse.
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

    Each source is shuffled again in every epoch, independently of the other. What
    all processes read together in a step depends on `seed` and the step alone.

    Args:
        content_source: Encoded photographs.
        style_source: Encoded paintings.
        crop_px: Side of the square crops in pixels.
        batch_size: Pictures of each kind per step, over all processes.
        seed: Another seed gives another order and other crops.
        resize_px: See `styleflax.datasets.augment.random_crop`.
        flip: See `styleflax.datasets.augment.random_crop`.
        style_px: If above 0, styles are not cropped at random: of each the middle
            square is seen, at this side, always the same.
        process_index: This process; it takes every `process_count`-th picture.
        process_count: Processes that train together.

    Raises:
        ValueError: A source is empty, `batch_size` is not a positive multiple of
            `process_count`, the seed is out of range, or the sizes do not fit.
    """
    checked_range(crop_px, resize_px)
    _check_share(batch_size, process_index, process_count)
    streams = []
    for role, source in (("content", content_source), ("style", style_source)):
        whole_px = style_px if role == "style" else 0
        crop = _Crop(source, crop_px, resize_px, flip, whole_px)
        crops = _shuffled(crop, role, seed)
        # Dealt out after the shuffle, so that the processes' batches together are
        # the batch that one process would make.
        if process_count > 1:
            crops = crops[process_index::process_count]
        streams.append(crops.batch(batch_size // process_count, drop_remainder=True))
    dataset = grain.experimental.ZipMapDataset(streams).map(_named)
    return PairStream(dataset, with_index=style_px > 0)


def as_float(batch: Batch) -> Batch:
    """Returns a batch as float32 in [0, 1]."""
    return {role: to_float(images_u8) for role, images_u8 in batch.items()}


class _Crop(grain.transforms.RandomMap):
    """The crop of the picture at a place, or of the next that can be decoded."""

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

    def random_map(
        self, element: int, rng: np.random.Generator
    ) -> dict[str, np.ndarray]:
        """Returns the crop, its picture's place, and that of a damaged one or -1."""
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


def _shuffled(crop: _Crop, role: str, seed: int) -> grain.MapDataset:
    """Returns crops without end, every epoch in an order of its own."""
    if not 0 <= seed < _MAX_SEED:
        raise ValueError(f"seed must be from 0 to {_MAX_SEED - 1}, got {seed}")
    if crop.num_pictures == 0:
        raise ValueError(f"the {role} source has no image")
    places = grain.MapDataset.range(crop.num_pictures)
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
