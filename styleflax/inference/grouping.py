"""Pictures of many sizes as batches, for programs that take one size at a time."""

from collections.abc import Iterable, Iterator
from typing import TypeVar

import numpy as np

T = TypeVar("T")
Named = tuple[T, np.ndarray]
"""A picture with whatever tells whose it is."""
WAITING = 4
"""Times the size of a batch: as many pictures wait for others of their size."""


def group_by_shape(pictures: Iterable[Named[T]], size: int) -> Iterator[list[Named[T]]]:
    """Yields batches of pictures of one shape, `size` of them where there are.

    Every picture comes once. With a size of 1 each comes at once and in order;
    otherwise those whose size is rare come late and in smaller batches.
    """
    waiting: dict[tuple[int, ...], list[Named[T]]] = {}
    for named in pictures:
        group = waiting.setdefault(named[1].shape, [])
        group.append(named)
        if len(group) == size:
            yield waiting.pop(named[1].shape)
        elif sum(map(len, waiting.values())) > WAITING * size:
            yield waiting.pop(next(iter(waiting)))  # the one begun first
    yield from waiting.values()
