"""A data set decoded once and stored on the device, which also cuts the crops.

For accelerators, which take steps faster than a few processors decode pictures. A
batch is a function of (seed, step), as those of `datasets.pipeline` are, but another
one: pictures are resized once, and crops lie at whole pixels of them.
"""

import functools
import logging
import math
from collections.abc import Iterator
from typing import NamedTuple

import jax
import numpy as np
from jax import lax
from jaxtyping import Array, Bool, Int, UInt8

from styleflax.datasets.pipeline import PictureSource, center_crop, checked_range
from styleflax.images.decoding import ImageError
from styleflax.images.files import decode_image_u8, resize_short_side
from styleflax.memory import check_fits, explain_memory_errors
from styleflax.methods.base import Batch

MAX_ASPECT = 2.0
"""Largest ratio of sides; of longer images only the middle is used."""
_SEED_OFFSETS = {"content": 0, "style": 1_000_003}
_logger = logging.getLogger(__name__)


class DeviceImages(NamedTuple):
    """Pictures of one source.

    Attributes:
        images_u8: On the device, each in the upper left of a common size.
        sizes: Height and width of each.
        places: In the source: those that could be decoded.
    """

    images_u8: UInt8[Array, "n h w 3"]
    sizes: Int[np.ndarray, "n 2"]
    places: Int[np.ndarray, " n"]


def load_device_images(
    source: PictureSource, short_px: int, *, square: bool = False
) -> DeviceImages:
    """Decodes all pictures of a source, those that are damaged left out.

    Args:
        source: Encoded pictures.
        short_px: Short side to which they are resized.
        square: Hold middle squares alone.

    Raises:
        ImageError: If not one can be decoded.
    """
    found, places = [], []
    for index in range(len(source)):
        try:
            if square:
                found.append(center_crop(source[index], short_px))
            else:
                found.append(_resized(source[index], short_px))
            places.append(index)
        except (ImageError, OSError, RuntimeError, ValueError) as error:
            _logger.warning("picture %d of %r is left out: %s", index, source, error)
    if not found:
        raise ImageError(f"no picture of {source!r} can be decoded")
    sizes = np.array([image.shape[:2] for image in found])
    with explain_memory_errors(
        f"holding {len(found)} pictures of {short_px} px in memory",
        "set --config.data.on_device=false, which reads them from disk",
    ):
        shape = (len(found), *sizes.max(axis=0), 3)
        check_fits(2 * math.prod(map(int, shape)))  # here and on the device
        padded = np.zeros(shape, np.uint8)
        for image, target in zip(found, padded, strict=True):
            target[: image.shape[0], : image.shape[1]] = image
        on_device = jax.block_until_ready(jax.device_put(padded))
    return DeviceImages(on_device, sizes, np.array(places))


def _resized(data: bytes, short_px: int) -> UInt8[np.ndarray, "h w 3"]:
    image = np.asarray(resize_short_side(decode_image_u8(data), short_px))
    middle = []
    for length in image.shape[:2]:
        used = min(length, round(MAX_ASPECT * short_px))
        middle.append(slice((length - used) // 2, (length - used) // 2 + used))
    return image[middle[0], middle[1]]


class DevicePairs:
    """Batches of content and style crops, as `datasets.pipeline.PairStream` has them.

    Args:
        content: Photographs.
        style: Paintings.
        crop_px: Side of the crops.
        batch_size: Pairs of a step, over all processes.
        seed: Another seed gives another order and other crops.
        flip: Mirror half of all crops.
        fixed_styles: Styles are squares that are seen whole, with their places.
        share: Number of this process, and of all.
    """

    def __init__(
        self,
        content: DeviceImages,
        style: DeviceImages,
        *,
        crop_px: int,
        batch_size: int,
        seed: int,
        flip: bool,
        fixed_styles: bool = False,
        share: tuple[int, int] = (0, 1),
    ) -> None:
        for held in (content, style)[: 1 + (not fixed_styles)]:
            checked_range(crop_px, int(held.sizes.min()))
        self._held = {"content": content, "style": style}
        self._crop_px, self._batch_size = crop_px, batch_size
        self._seed, self._flip, self._share = seed, flip, share
        self._fixed_styles = fixed_styles
        self._order = functools.lru_cache(maxsize=4)(self._shuffled)

    def batch_at(self, step: int) -> Batch:
        """The batch of a step: uint8 on the device.

        Every source is shuffled again in every epoch.
        """
        batch = {"content": self._crops("content", step, self._crop_px)}
        if not self._fixed_styles:
            return batch | {"style": self._crops("style", step, self._crop_px)}
        style = self._held["style"]
        index = self._places("style", step)
        return batch | {
            "style": style.images_u8[index],
            "style_index": style.places[index].astype(np.int32),
        }

    def iterate(self, first: int = 0) -> Iterator[Batch]:
        """Yields batches without end, from that step on."""
        while True:
            yield self.batch_at(first)
            first += 1

    def _crops(self, role: str, step: int, crop_px: int) -> UInt8[Array, "b c c 3"]:
        held, index = self._held[role], self._places(role, step)
        numbers = self._rng(role, 1, step).random((self._batch_size, 3))
        numbers = numbers[self._share[0] :: self._share[1]]
        room = held.sizes[index] - crop_px + 1
        corners = np.floor(numbers[:, :2] * room).astype(np.int32)
        mirrored = self._flip & (numbers[:, 2] < 0.5)
        return _cut(held.images_u8, index, corners, mirrored, crop_px=crop_px)

    def _places(self, role: str, step: int) -> Int[np.ndarray, " b"]:
        count = len(self._held[role].sizes)
        places = step * self._batch_size + np.arange(self._batch_size)
        orders = [self._order(role, int(k) // count)[int(k) % count] for k in places]
        return np.array(orders, np.int32)[self._share[0] :: self._share[1]]

    def _shuffled(self, role: str, epoch: int) -> Int[np.ndarray, " n"]:
        return self._rng(role, 0, epoch).permutation(len(self._held[role].sizes))

    def _rng(self, role: str, kind: int, number: int) -> np.random.Generator:
        return np.random.default_rng([self._seed + _SEED_OFFSETS[role], kind, number])


@functools.partial(jax.jit, static_argnames="crop_px")
def _cut(
    images_u8: UInt8[Array, "n h w 3"],
    index: Int[Array, " b"],
    corners: Int[Array, "b 2"],
    mirrored: Bool[Array, " b"],
    *,
    crop_px: int,
) -> UInt8[Array, "b c c 3"]:
    def one(place: Array, corner: Array, turned: Array) -> Array:
        start = (place, corner[0], corner[1], 0)
        crop = lax.dynamic_slice(images_u8, start, (1, crop_px, crop_px, 3))[0]
        return jax.numpy.where(turned, crop[:, ::-1], crop)

    return jax.vmap(one)(index, corners, mirrored)
