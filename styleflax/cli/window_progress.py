"""A bar of the steps that one picture takes, such as its windows, on standard error."""

import sys
from typing import Any

from tqdm import tqdm


class WindowProgress:
    """Called with the steps done, and all of one picture: shows them as they pass.

    Args:
        unit: What the steps are called.
    """

    def __init__(self, unit: str = "window") -> None:
        self._unit = unit
        self._bar: tqdm[Any] | None = None

    def __call__(self, done: int, total: int) -> None:
        """Takes note of a step.

        Args:
            done: How many steps are done; not more than before begins a picture.
            total: How many there are; a picture of one needs no bar.
        """
        if total == 1 or not sys.stderr.isatty():
            return
        if self._bar is None or done <= self._bar.n:  # after a picture that failed
            # Below the bar of all pictures, where there is one.
            self._bar = tqdm(total=total, unit=self._unit, position=1, leave=False)
        self._bar.update(done - self._bar.n)
        if done == total:
            self._bar.close()
            self._bar = None
