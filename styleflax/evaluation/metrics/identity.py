"""How well a picture comes back when it is its own style."""

import numpy as np
from jaxtyping import Array, Float

from styleflax.evaluation.metrics.pictures import check_pair


def psnr(
    picture: Array | np.ndarray, original: Array | np.ndarray
) -> Float[np.ndarray, " b"]:
    """Returns the peak signal-to-noise ratio over all channels, in dB.

    Ten times the decimal logarithm of 1 over the mean squared difference. The
    identity error is the PSNR and LPIPS of an image stylized with itself.

    Args:
        picture: RGB in [0, 1], (h, w, 3) or (b, h, w, 3).
        original: RGB in [0, 1], (h, w, 3) or (b, h, w, 3), of the same size.

    Returns:
        inf for equal pictures; 0 between black and white.

    Raises:
        ValueError: If the shapes differ.

    Example:
        >>> import numpy as np
        >>> image = np.full((16, 16, 3), 0.5, np.float32)
        >>> psnr(image + 0.1, image).round(2)
        array([20.], dtype=float32)
    """
    a, b = check_pair("picture", picture, "original", original)
    difference = np.asarray(a, np.float64) - np.asarray(b, np.float64)
    squares = np.square(difference).mean(axis=(1, 2, 3))
    with np.errstate(divide="ignore"):
        return np.asarray(-10 * np.log10(squares), np.float32)
