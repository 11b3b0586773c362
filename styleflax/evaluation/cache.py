"""What is computed once of each picture, as far as memory goes."""

from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

T = TypeVar("T")


class FirstKept(Generic[T]):
    """Caches the first few results and computes the others each time.

    Styles come round in a circle, where keeping the newest ones instead would
    find none of them again.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._kept: dict[Hashable, T] = {}

    def get(self, key: Hashable, make: Callable[[], T]) -> T:
        """Returns the result of a key, made by `make` if it is not kept."""
        if key in self._kept:
            return self._kept[key]
        made = make()
        if len(self._kept) < self._most:
            self._kept[key] = made
        return made
