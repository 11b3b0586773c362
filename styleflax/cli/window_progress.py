"""A bar of a large picture's windows on standard error."""

import sys
from typing import Any

from tqdm import tqdm


class WindowProgress:
    """Called with the windows done, and all of one picture: shows them as they pass."""

    def __init__(self) -> None:
        self._bar: tqdm[Any] | None = None

    def __call__(self, done: int, total: int) -> None:
        """Takes note of a window.

        Args:
            done: How many windows are done; 1 begins a picture.
            total: How many there are; a picture of one needs no bar.
        """
        if total == 1 or not sys.stderr.isatty():
            return
        if self._bar is None or done == 1:  # after a picture that failed, too
            # Below the bar of all pictures, where there is one.
            self._bar = tqdm(total=total, unit="window", position=1, leave=False)
        self._bar.update(done - self._bar.n)
        if done == total:
            self._bar.close()
            self._bar = None
