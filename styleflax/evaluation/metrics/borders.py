"""Detects bands of another colour along the sides of a made picture."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Array, Float
from skimage.color import rgb2lab

from styleflax.evaluation.metrics.pictures import check_pair, check_pictures

# Widths tried, as shares of the short side: 2, 4, 8 and 16 of 512 px.
_WIDTHS = (1 / 256, 1 / 128, 1 / 64, 1 / 32)

BORDER_LIMIT = 8.0
"""Difference in CIELAB, beyond the inputs', at which a border is reported."""


class Border(NamedTuple):
    """What the sides of a picture look like against what lies inside of them.

    Attributes:
        excess: `border_difference` less that of the input in which it is higher, or
            less 0 where neither has a border.
        found: Whether that is more than `BORDER_LIMIT`.
    """

    excess: float
    found: bool


def border_difference(picture: Array | np.ndarray) -> float:
    """Returns how far a side's band stands out, against the bands further in.

    Parallel bands of one width are compared with their inner neighbours place by
    place along the side; the median over places tells a border from a motif that
    ends there. From the outermost step the highest one further in is taken off, as
    a horizon makes a step as well. Highest over four sides and widths of 1/256 to
    1/32 of the short side.

    Args:
        picture: RGB in [0, 1], (h, w, 3), sides of 32 px or more.

    Returns:
        In units of CIELAB; mostly below 0 for pictures without a border.

    Raises:
        ValueError: If it is no single picture, or too small.
    """
    x = np.asarray(check_pictures("picture", picture))
    if len(x) != 1 or min(x.shape[1:3]) < 32:
        raise ValueError(
            f"picture must be one image of at least 32 px, got the shape {x.shape}"
        )
    lab = rgb2lab(np.clip(x[0], 0.0, 1.0))
    sides = (lab, lab[::-1], lab.swapaxes(0, 1), lab.swapaxes(0, 1)[::-1])
    short = min(lab.shape[:2])
    widths = sorted({max(1, round(share * short)) for share in _WIDTHS})
    return max(_excess_step(side, width) for side in sides for width in widths)


def _excess_step(lab: Float[np.ndarray, "h w 3"], width: int) -> float:
    """Returns the step below the uppermost band, less the highest one further in."""
    bands = lab[: lab.shape[0] // width * width]
    means = bands.reshape(-1, width, *lab.shape[1:]).mean(axis=1)
    steps = np.linalg.norm(np.median(np.diff(means, axis=0), axis=1), axis=-1)
    # The last one is the step to the opposite border.
    return float(steps[0] - steps[1:-1].max())


def detect_border(
    stylized: Array | np.ndarray,
    content: Array | np.ndarray,
    style: Array | np.ndarray,
    *,
    limit: float = BORDER_LIMIT,
) -> Border:
    """Returns whether a picture has a coloured border that neither input has.

    Args:
        stylized: RGB in [0, 1], (h, w, 3).
        content: RGB in [0, 1], (h, w, 3), of the same size.
        style: RGB in [0, 1], (h, w, 3), of any size from 32 px.
        limit: Excess from which on it is reported.

    Raises:
        ValueError: If these are no pictures, or smaller than 32 px.
    """
    check_pair("stylized", stylized, "content", content)
    values = [border_difference(x) for x in (stylized, content, style)]
    excess = values[0] - max(0.0, *values[1:])
    return Border(excess, excess > limit)
