"""SSIM and MS-SSIM of luminance: how much of the content's structure is left."""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float
from skimage.color import rgb2gray
from skimage.metrics import structural_similarity

from styleflax.evaluation.metrics.pictures import check_pair

SIGMA_PX = 1.5
RADIUS_PX = 5
"""The Gaussian window of 11x11 positions, as in Wang et al. 2004."""

_K1, _K2 = 0.01, 0.03

SCALE_EXPONENTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)
"""Fine to coarse, of Wang, Simoncelli and Bovik 2003, as they stand in
test/octave/ms_ssim.m of grevutiu-gabriel/iqa; their sum is 1."""

MIN_MS_SSIM_PX = (2 * RADIUS_PX + 1) * 2 ** (len(SCALE_EXPONENTS) - 1)


def ssim(
    first: Array | np.ndarray, second: Array | np.ndarray
) -> Float[np.ndarray, " b"]:
    """Returns scikit-image's SSIM of luminance, set as Wang et al. 2004 have it.

    Luminance is scikit-image's `rgb2gray` (weights of Rec. 709). Positions nearer
    to the border than the window's radius do not count.

    Args:
        first: RGB in [0, 1], (h, w, 3) or (b, h, w, 3), sides of 11 px or more.
        second: RGB in [0, 1], (h, w, 3) or (b, h, w, 3), sides of 11 px or more, of the
            same size.

    Returns:
        In [-1, 1]; 1 for equal pictures.

    Raises:
        ValueError: If shapes differ, or pictures are too small.
    """
    a, b = check_pair("first", first, "second", second)
    _check_size(a.shape, 2 * RADIUS_PX + 1)
    values = [
        structural_similarity(
            rgb2gray(np.asarray(x)),
            rgb2gray(np.asarray(y)),
            data_range=1.0,
            gaussian_weights=True,
            sigma=SIGMA_PX,
            use_sample_covariance=False,
        )
        for x, y in zip(a, b, strict=True)
    ]
    return np.asarray(values, np.float32)


def ms_ssim(first: Array | np.ndarray, second: Array | np.ndarray) -> Array:
    """Returns the multi-scale SSIM of luminance (Wang, Simoncelli, Bovik 2003).

    Five scales, each the mean of 2x2 positions of the finer one; of the finer four
    the contrast and structure terms count, of the coarsest the whole SSIM. A
    negative term counts as 0, as its fractional power has no real value.

    Args:
        first: RGB in [0, 1], (h, w, 3) or (b, h, w, 3), sides of 176 px or more.
        second: RGB in [0, 1], (h, w, 3) or (b, h, w, 3), sides of 176 px or more, of
            the same size.

    Returns:
        (b,), in [0, 1]; 1 for equal pictures.

    Raises:
        ValueError: If shapes differ, or pictures are too small.
    """
    pair = check_pair("first", first, "second", second)
    _check_size(pair[0].shape, MIN_MS_SSIM_PX)
    return _ms_ssim(*pair)


def _check_size(shape: tuple[int, ...], least_px: int) -> None:
    if min(shape[1:3]) < least_px:
        raise ValueError(
            f"images must have sides of at least {least_px} px, got "
            f"{shape[1]}x{shape[2]} px"
        )


@jax.jit
def _ms_ssim(first: Array, second: Array) -> Array:
    weights = jnp.array([0.2125, 0.7154, 0.0721])  # as in scikit-image's rgb2gray
    a = jnp.einsum("bhwc,c->bhw", first, weights, precision="highest")
    b = jnp.einsum("bhwc,c->bhw", second, weights, precision="highest")
    product = jnp.ones(a.shape[0])
    last = len(SCALE_EXPONENTS) - 1
    for scale, exponent in enumerate(SCALE_EXPONENTS):
        luminance, structure = _ssim_maps(a, b)
        term = luminance * structure if scale == last else structure
        product = product * jnp.maximum(term.mean(axis=(1, 2)), 0.0) ** exponent
        a, b = _halve(a), _halve(b)
    return product


def _ssim_maps(
    a: Float[Array, "b h w"], b: Float[Array, "b h w"]
) -> tuple[Float[Array, "b _ _"], Float[Array, "b _ _"]]:
    """Returns the luminance term, and that of contrast and structure."""
    mean_a, mean_b = _blur(a), _blur(b)
    # Of differences from one half, whose squares lose fewer digits.
    shifted_a, shifted_b = a - 0.5, b - 0.5
    low_a, low_b = mean_a - 0.5, mean_b - 0.5
    variance_a = _blur(shifted_a * shifted_a) - low_a * low_a
    variance_b = _blur(shifted_b * shifted_b) - low_b * low_b
    covariance = _blur(shifted_a * shifted_b) - low_a * low_b
    c1, c2 = _K1**2, _K2**2
    luminance = (2 * mean_a * mean_b + c1) / (mean_a**2 + mean_b**2 + c1)
    structure = (2 * covariance + c2) / (variance_a + variance_b + c2)
    return luminance, structure


def _blur(x: Float[Array, "b h w"]) -> Float[Array, "b _ _"]:
    """Returns the Gaussian means at all positions where the window fits."""
    offsets = np.arange(-RADIUS_PX, RADIUS_PX + 1)
    weights = np.exp(-(offsets**2) / (2 * SIGMA_PX**2))
    window = jnp.asarray(weights / weights.sum(), jnp.float32)
    y = x[..., None]
    for shape in ((-1, 1, 1, 1), (1, -1, 1, 1)):
        y = jax.lax.conv_general_dilated(
            y,
            window.reshape(shape),
            (1, 1),
            "VALID",
            dimension_numbers=("NHWC", "HWIO", "NHWC"),
            precision=jax.lax.Precision.HIGHEST,
        )
    return y[..., 0]


def _halve(x: Float[Array, "b h w"]) -> Float[Array, "b h//2 w//2"]:
    b, h, w = x.shape
    even = x[:, : h // 2 * 2, : w // 2 * 2]
    return even.reshape(b, h // 2, 2, w // 2, 2).mean(axis=(2, 4))
