"""Moving colors from one picture to another: by RGB, luminance or CIELAB."""

import jax.numpy as jnp
from jaxtyping import Array, Float

from styleflax.ops.statistics import safe_sqrt

# Luma of sRGB's primaries (ITU-R BT.709), of values as they are stored.
_LUMA = (0.2126, 0.7152, 0.0722)

# Linear sRGB to CIE XYZ relative to the white D65 (IEC 61966-2-1).
_TO_XYZ = (
    (0.412453, 0.357580, 0.180423),
    (0.212671, 0.715160, 0.072169),
    (0.019334, 0.119193, 0.950227),
)
_EDGE = 6.0 / 29.0  # below it CIELAB's cube root is replaced by a line


def coral_recolor(
    content: Float[Array, "b hc wc 3"],
    style: Float[Array, "b hs ws 3"],
    *,
    style_weights: Float[Array, "b hs ws"] | None = None,
    eps: float = 1e-5,
    clip: bool = True,
) -> Float[Array, "b hc wc 3"]:
    """Returns the contents with the mean and covariance of the styles' colors.

    Correlation alignment (Sun, Feng and Saenko 2016) of pixels: whitened by the inverse
    square root of the content's covariance, colored by the square root of the style's,
    both symmetric. Only color is taken from the style, which makes this the baseline
    that a style transfer has to beat. Where two principal variances are equal it has no
    gradient.

    Args:
        content: RGB in [0, 1].
        style: RGB in [0, 1], of any size.
        style_weights: How much every pixel of the style counts, at least 0 and
            not all 0; all alike by default.
        eps: Added to the variance along each principal axis of both, so that a
            picture of one color, or of grays, gives finite ones.
        clip: Cut the result to [0, 1], after which the moments are the style's
            only roughly.
    """
    flat, target = (x.reshape(x.shape[0], -1, 3) for x in (content, style))
    _, centered = _center(flat, None)
    shares = None if style_weights is None else _shares(style_weights)
    target_mean, target_centered = _center(target, shares)
    whitening = _covariance_power(centered, None, eps, inverse=True)
    coloring = _covariance_power(target_centered, shares, eps, inverse=False)
    transform = jnp.matmul(whitening, coloring, precision="highest")
    moved = jnp.matmul(centered, transform, precision="highest") + target_mean
    moved = moved.reshape(content.shape)
    return jnp.clip(moved, 0.0, 1.0) if clip else moved


def keep_luminance(
    image: Float[Array, "b h w 3"], colors: Float[Array, "b h w 3"]
) -> Float[Array, "b h w 3"]:
    """Returns the luma of one picture with the hues of another.

    At every pixel, the difference of `colors` from its own gray is added to the gray of
    `image`. Where the sum would leave the gamut, it is desaturated just enough to stay
    inside, so that luma and hue are exact.

    Args:
        image: RGB in [0, 1].
        colors: RGB in [0, 1].

    Returns:
        RGB in [0, 1].

    Example:
        >>> import jax.numpy as jnp
        >>> gray, red = jnp.full((1, 1, 1, 3), 0.2), jnp.array([[[[0.6, 0.1, 0.1]]]])
        >>> keep_luminance(gray, red).round(2)[0, 0, 0]
        Array([0.59..., 0.09..., 0.09...], dtype=float32)
    """
    luma = jnp.clip(_luma(image), 0.0, 1.0)
    chroma = colors - _luma(colors)
    room = jnp.where(chroma > 0, 1.0 - luma, luma)
    size = jnp.abs(chroma)
    # How much of the chroma each channel has room for.
    share = jnp.where(size > room, room / jnp.where(size > room, size, 1.0), 1.0)
    paled = luma + share.min(axis=-1, keepdims=True) * chroma
    return jnp.clip(paled, 0.0, 1.0)


def match_lab(
    image: Float[Array, "b h w 3"],
    colors: Float[Array, "b h w 3"],
    *,
    weights: Float[Array, "b h w"] | None = None,
    eps: float = 1e-2,
    clip: bool = True,
) -> Float[Array, "b h w 3"]:
    """Returns a picture with the mean and deviation of another's colors in CIELAB.

    L, a and b are shifted and scaled separately, as Reinhard et al. (2001) do in a
    different color space.

    Args:
        image: RGB in [0, 1].
        colors: RGB in [0, 1], of the same size.
        weights: How much every position counts in the statistics of both, at
            least 0 and not all 0; all alike by default. All are recolored.
        eps: Added to both variances, so that a picture of one color stays
            finite and its noise is not blown up.
        clip: Cut the result to [0, 1], after which the statistics are the
            reference's only roughly.
    """
    labs = [rgb_to_lab(x).reshape(x.shape[0], -1, 3) for x in (image, colors)]
    shares = None if weights is None else _shares(weights)
    (_, centered), (mean, target) = (_center(lab, shares) for lab in labs)
    spread, wanted = (
        safe_sqrt(_average(jnp.square(x), shares) + eps) for x in (centered, target)
    )
    moved = centered * (wanted / spread) + mean
    rgb = lab_to_rgb(moved.reshape(image.shape))
    return jnp.clip(rgb, 0.0, 1.0) if clip else rgb


def rgb_to_lab(image: Float[Array, "b h w 3"]) -> Float[Array, "b h w 3"]:
    """Returns CIELAB (white D65) of sRGB: L in [0, 100], a and b around 0.

    Example:
        >>> import jax.numpy as jnp
        >>> rgb_to_lab(jnp.ones((1, 1, 1, 3)))[0, 0, 0, 0].round(1)
        Array(100., dtype=float32)
    """
    xyz = jnp.matmul(_to_linear(image), _normalized_xyz().T, precision="highest")
    root = jnp.cbrt(jnp.maximum(xyz, _EDGE**3))
    f = jnp.where(xyz > _EDGE**3, root, xyz / (3 * _EDGE**2) + 4.0 / 29.0)
    x, y, z = (f[..., i] for i in range(3))
    return jnp.stack([116.0 * y - 16.0, 500.0 * (x - y), 200.0 * (y - z)], axis=-1)


def lab_to_rgb(lab: Float[Array, "b h w 3"]) -> Float[Array, "b h w 3"]:
    """Returns sRGB of CIELAB; values leave [0, 1] for colors outside sRGB."""
    y = (lab[..., 0] + 16.0) / 116.0
    f = jnp.stack([y + lab[..., 1] / 500.0, y, y - lab[..., 2] / 200.0], axis=-1)
    xyz = jnp.where(f > _EDGE, f**3, 3 * _EDGE**2 * (f - 4.0 / 29.0))
    back = jnp.linalg.inv(_normalized_xyz())
    return _from_linear(jnp.matmul(xyz, back.T, precision="highest"))


def _normalized_xyz() -> Float[Array, "3 3"]:
    """Linear sRGB to XYZ over that of white, so that white is (1, 1, 1)."""
    matrix = jnp.asarray(_TO_XYZ, jnp.float32)
    return matrix / matrix.sum(axis=1, keepdims=True)


def _to_linear(rgb: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
    # IEC 61966-2-1; odd in its argument, so that colors outside the gamut return.
    size = jnp.abs(rgb)
    curve = ((jnp.maximum(size, 0.04045) + 0.055) / 1.055) ** 2.4
    return jnp.sign(rgb) * jnp.where(size > 0.04045, curve, size / 12.92)


def _from_linear(linear: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
    size = jnp.abs(linear)
    curve = 1.055 * jnp.maximum(size, 0.0031308) ** (1 / 2.4) - 0.055
    return jnp.sign(linear) * jnp.where(size > 0.0031308, curve, size * 12.92)


def _luma(image: Float[Array, "b h w 3"]) -> Float[Array, "b h w 1"]:
    # A sum, as a matrix product may be computed in fewer bits.
    return (image * jnp.asarray(_LUMA)).sum(axis=-1, keepdims=True)


def _shares(weights: Float[Array, "b h w"]) -> Float[Array, "b n 1"]:
    flat = weights.reshape(weights.shape[0], -1, 1)
    return flat / flat.sum(axis=1, keepdims=True)


def _average(
    values: Float[Array, "b n 3"], shares: Float[Array, "b n 1"] | None
) -> Float[Array, "b 1 3"]:
    if shares is None:
        return values.mean(axis=1, keepdims=True)
    return (values * shares).sum(axis=1, keepdims=True)


def _center(
    flat: Float[Array, "b n 3"], shares: Float[Array, "b n 1"] | None
) -> tuple[Float[Array, "b 1 3"], Float[Array, "b n 3"]]:
    """The mean, and what is left of every pixel without it."""
    mean = _average(flat, shares)
    return mean, flat - mean


def _covariance_power(
    centered: Float[Array, "b n 3"],
    shares: Float[Array, "b n 1"] | None,
    eps: float,
    *,
    inverse: bool,
) -> Float[Array, "b 3 3"]:
    """Returns the symmetric square root of the covariance, or its inverse."""
    weighed = centered / centered.shape[1] if shares is None else centered * shares
    covariance = jnp.einsum("bni,bnj->bij", weighed, centered, precision="highest")
    # Symmetric but for rounding, of which the solver reads one half.
    values, axes = jnp.linalg.eigh(covariance)
    roots = safe_sqrt(jnp.maximum(values, 0.0) + eps)
    scales = 1.0 / roots if inverse else roots
    return jnp.einsum("bik,bk,bjk->bij", axes, scales, axes, precision="highest")
