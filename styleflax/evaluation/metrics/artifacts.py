"""Detectors of artifacts of style transfer.

Each compares a stylized image with both inputs, so that features of an input (a
highlight, a frame, the grid of JPEG) do not count as artifacts. An image that equals
one of its inputs has none. The inputs must belong to the image: otherwise, highlights
of a photo count as blobs.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float
from skimage.color import rgb2lab

from styleflax.evaluation.metrics.blobs import (
    Blobs,
    GrayPatch,
    detect_blobs,
    detect_gray_patch,
)
from styleflax.evaluation.metrics.pictures import check_pair, check_pictures

# Widths of the bands as shares of the short side: 2, 4, 8 and 16 px of 512.
_WIDTHS = (1 / 256, 1 / 128, 1 / 64, 1 / 32)

BORDER_LIMIT = 8.0
"""Difference in CIELAB above the inputs' at which a border is reported."""


class Border(NamedTuple):
    """The result of `detect_border`.

    Attributes:
        excess: `border_difference` minus the higher one of the inputs', if positive.
        found: Whether the excess is above `BORDER_LIMIT`.
    """

    excess: float
    found: bool


def border_difference(picture: Array | np.ndarray) -> float:
    """Returns the contrast of the outermost band of an image to the bands inside.

    Parallel bands of one width are compared with their inner neighbors at each position
    along the side; the median over positions distinguishes a border from an object that
    ends there. The highest step further inside is subtracted from the outermost one,
    because a horizon is a step as well. The result is the maximum over the four sides
    and widths of 1/256 to 1/32 of the short side.

    Args:
        picture: RGB in [0, 1], (h, w, 3), sides of 32 px or more.

    Returns:
        Contrast in units of CIELAB, usually below 0 for images without a border.

    Raises:
        ValueError: If it is not a single image, or is too small.
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
    """Returns the step below the uppermost band minus the highest one below."""
    bands = lab[: lab.shape[0] // width * width]
    means = bands.reshape(-1, width, *lab.shape[1:]).mean(axis=1)
    steps = np.linalg.norm(np.median(np.diff(means, axis=0), axis=1), axis=-1)
    # The last step is the one to the opposite border.
    return float(steps[0] - steps[1:-1].max())


def detect_border(
    stylized: Array | np.ndarray,
    content: Array | np.ndarray,
    style: Array | np.ndarray,
    *,
    limit: float = BORDER_LIMIT,
) -> Border:
    """Returns whether an image has a colored border that neither input has.

    Args:
        stylized: RGB in [0, 1], (h, w, 3).
        content: RGB in [0, 1], (h, w, 3), of the same size.
        style: RGB in [0, 1], (h, w, 3), of any size from 32 px.
        limit: Excess above which a border is reported.

    Raises:
        ValueError: If an input is not an image, or is smaller than 32 px.
    """
    check_pair("stylized", stylized, "content", content)
    values = [border_difference(x) for x in (stylized, content, style)]
    excess = values[0] - max(0.0, *values[1:])
    return Border(excess, excess > limit)


# Sides of the windows whose spectra are averaged; a multiple of every period.
_WINDOW_PX = 64
# A decoder enlarges three times by two: its grids repeat after 2, 4 and 8 px. At 8 px
# the grids of JPEG's blocks lie as well, so only the first two are measured.
_PERIODS_PX = (2, 4)
# Power of luminance, per bin of a window: far below what one step of 1/255 makes.
_FLOOR = 1e-5

CHECKERBOARD_LIMIT = 8.0
"""Excess over the inputs in dB above which a checkerboard is reported."""


class Checkerboard(NamedTuple):
    """The result of `detect_checkerboard`.

    Attributes:
        excess: `grid_prominence` in dB minus the higher one of the inputs', if
            positive.
        found: Whether the excess is above `CHECKERBOARD_LIMIT`.
    """

    excess: float
    found: bool


def grid_prominence(pictures: Array | np.ndarray) -> Float[Array, " b"]:
    """Returns the prominence of the frequencies of an upsampling grid.

    It is the mean power spectrum of overlapping windows of luminance (Welch's method)
    at one half and one quarter of a cycle per pixel along rows, columns and both,
    relative to the median of the surrounding bins. The highest value is returned, as a
    pattern may have one direction only.

    Args:
        pictures: RGB in [0, 1], (h, w, 3) or (b, h, w, 3), sides of 64 px or more.

    Returns:
        Prominence in dB, around 0 for photos.

    Raises:
        ValueError: If these are not images, or are too small.
    """
    x = check_pictures("pictures", pictures)
    if min(x.shape[1:3]) < _WINDOW_PX:
        raise ValueError(
            f"images must have sides of at least {_WINDOW_PX} px, got "
            f"{x.shape[1]}x{x.shape[2]} px"
        )
    return _prominence(x)


def detect_checkerboard(
    stylized: Array | np.ndarray,
    content: Array | np.ndarray,
    style: Array | np.ndarray,
    *,
    limit: float = CHECKERBOARD_LIMIT,
) -> Checkerboard:
    """Returns whether an image has a checkerboard that neither input has.

    Args:
        stylized: RGB in [0, 1], (h, w, 3).
        content: RGB in [0, 1], (h, w, 3), of the same size.
        style: RGB in [0, 1], (h, w, 3), of any size from 64 px.
        limit: Excess in dB above which a checkerboard is reported.

    Raises:
        ValueError: If an input is not an image, or is smaller than 64 px.
    """
    check_pair("stylized", stylized, "content", content)
    values = [float(grid_prominence(x)[0]) for x in (stylized, content, style)]
    excess = values[0] - max(0.0, *values[1:])
    return Checkerboard(excess, excess > limit)


@jax.jit
def _prominence(pictures: Float[Array, "b h w 3"]) -> Float[Array, " b"]:
    luminance = pictures @ jnp.array([0.2125, 0.7154, 0.0721])
    power = _mean_power(luminance)
    peaks = [
        _peak(power, row * _WINDOW_PX // period, column * _WINDOW_PX // period)
        for period in _PERIODS_PX
        for row, column in _frequencies(period)
    ]
    return 10 * jnp.log10(jnp.stack(peaks).max(axis=0))


def _frequencies(period: int) -> list[tuple[int, int]]:
    if period == 2:
        return [(0, 1), (1, 0), (1, 1)]
    # The spectrum of a real image is symmetric, so half of the plane is enough.
    return [(0, 1), (1, 0), (1, 1), (1, 3), (1, 2), (2, 1)]


def _mean_power(luminance: Float[Array, "b h w"]) -> Float[Array, "b 64 64"]:
    """Returns the mean power spectrum of all half-overlapping windows."""
    _, h, w = luminance.shape
    step = _WINDOW_PX // 2
    tops, lefts = (
        np.arange(0, length - _WINDOW_PX + 1, step)[:, None] + np.arange(_WINDOW_PX)
        for length in (h, w)
    )
    tiles = luminance[:, tops][..., lefts].transpose(0, 1, 3, 2, 4)
    tiles = tiles - tiles.mean(axis=(3, 4), keepdims=True)
    hann = np.hanning(_WINDOW_PX + 1)[:-1]
    spectrum = jnp.fft.fft2(tiles * np.outer(hann, hann))
    return jnp.square(jnp.abs(spectrum)).mean(axis=(1, 2))


def _peak(power: Float[Array, "b n n"], row: int, column: int) -> Float[Array, " b"]:
    """Returns the power of a frequency relative to the median of its neighbors."""
    reach = 5
    offsets = np.arange(-reach, reach + 1)
    rows, columns = (row + offsets) % _WINDOW_PX, (column + offsets) % _WINDOW_PX
    around = power[:, rows][:, :, columns]
    # The window spreads a peak over its nearest neighbors, which are excluded. Edges
    # along an axis fill a whole row or column of bins; a peak must exceed these, too.
    far = np.abs(offsets) > 1
    here = offsets == 0
    lines = [
        around[:, one][:, :, other].reshape(len(power), -1)
        for one, other in ((far, far), (here, far), (far, here))
    ]
    noise = jnp.stack([jnp.median(line, axis=1) for line in lines]).max(axis=0)
    return (power[:, row, column] + _FLOOR) / (noise + _FLOOR)


class Artifacts(NamedTuple):
    """The results of all detectors for one image."""

    blobs: Blobs
    checkerboard: Checkerboard
    border: Border
    gray_patch: GrayPatch


def detect_artifacts(
    stylized: Array | np.ndarray,
    content: Array | np.ndarray,
    style: Array | np.ndarray,
) -> Artifacts:
    """Returns the results of all detectors, each with its default limit.

    Args:
        stylized: RGB in [0, 1], (h, w, 3), sides of 64 px or more.
        content: RGB in [0, 1], (h, w, 3), sides of 64 px or more, of the same size.
        style: RGB in [0, 1], (h, w, 3), of any size from 64 px.

    Raises:
        ValueError: If an input is not a single image or is too small, or if the sizes
            of result and content differ.
    """
    inputs = (stylized, content, style)
    return Artifacts(
        detect_blobs(*inputs),
        detect_checkerboard(*inputs),
        detect_border(*inputs),
        detect_gray_patch(stylized, content),
    )
