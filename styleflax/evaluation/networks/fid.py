"""Fréchet distances between sets of images: FID and ArtFID."""

import os
import warnings
from collections.abc import Callable, Iterable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from styleflax.evaluation.metrics.pictures import check_pictures
from styleflax.evaluation.networks.inception import (
    build_blocks,
    inception_features,
    resize_to_299,
)
from styleflax.evaluation.networks.inception_file import FID_SHA256, load_inception
from styleflax.types import Image

FEWEST_PICTURES = 5000
"""Number of images below which a warning is given: the distance is biased by an amount
that depends on their number and on the model (arXiv:1911.07023, abstract). art-fid's
extrapolation to infinitely many images starts at 5,000, too."""

Features = Callable[[Array | np.ndarray], Float[Array, "b d"]]
Vector = Float[np.ndarray, " d"]
Matrix = Float[np.ndarray, "d d"]


class Moments(NamedTuple):
    """Moments of the features of a set of images, in float64.

    Attributes:
        num_pictures: Number of images.
        mean: Mean of their features.
        scatter: Sum over the images of the outer product of the deviation from the mean
            with itself.
    """

    num_pictures: int
    mean: Vector
    scatter: Matrix

    def covariance(self) -> Matrix:
        """The unbiased estimate of the covariance, as in NumPy's `cov`.

        Raises:
            ValueError: If there are fewer than two images.
        """
        if self.num_pictures < 2:
            raise ValueError(
                f"FID must have at least 2 images, got {self.num_pictures}"
            )
        return self.scatter / (self.num_pictures - 1)


def make_inception_features(
    path: str | os.PathLike[str], sha256: str | None = FID_SHA256
) -> Features:
    """Returns `features(pictures)`, the features of FID.

    Images of any size, RGB in [0, 1], (b, h, w, 3) or (h, w, 3), give features of shape
    (b, 2048). They are resized to 299x299 as in pytorch-fid. For comparable values,
    round images to 8 bits first. The network is compiled once per number of images.

    Args:
        path: File with the weights of the FID network; see `inception_file.FID_FILE`.
        sha256: Digest of the file. None accepts any file with the names and shapes of
            the network, such as the same weights saved again or as safetensors; the
            caller must then ensure that they are those of FID.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If the file contains another network.
    """
    params = jax.device_put(load_inception(path, "fid", sha256))
    blocks = build_blocks("fid")
    resize = jax.jit(resize_to_299)
    program = jax.jit(lambda p, x: inception_features(p, 2.0 * x - 1.0, blocks))
    return lambda pictures: program(params, resize(_as_array(pictures)))


def make_art_inception_features(
    path: str | os.PathLike[str], sha256: str | None = None
) -> Features:
    """Returns `features(pictures)`, the features of ArtFID.

    They differ from those of `make_inception_features` as in matthias-wright/art-fid:
    images are not resized (sides of at least 75 px) and enter the network in [0, 1].
    Each size is compiled once.

    Args:
        path: File with the weights of the ArtFID network, art_inception.pth.
        sha256: Digest of the file. It excludes a mistake: without its heads, the
            network of ArtFID has the same names and shapes as torchvision's.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If the file contains another network.
    """
    params = jax.device_put(load_inception(path, "art", sha256))
    blocks = build_blocks("art")
    program = jax.jit(lambda p, x: inception_features(p, x, blocks))
    return lambda pictures: program(params, _as_array(pictures))


def _as_array(pictures: Array | np.ndarray) -> Image:
    return jnp.asarray(check_pictures("pictures", pictures), jnp.float32)


def accumulate_moments(batches: Iterable[Array | np.ndarray]) -> Moments:
    """Returns the moments of features, added up over batches of (b, d).

    Raises:
        ValueError: If a batch has another shape, or there is none.
    """
    moments: Moments | None = None
    for batch in batches:
        moments = add_features(moments, batch)
    if moments is None:
        raise ValueError("FID must have at least 2 images, got 0")
    return moments


def add_features(moments: Moments | None, features: Array | np.ndarray) -> Moments:
    """Returns the moments of a set with additional images.

    Args:
        moments: Moments of the set; None for an empty set.
        features: Features of the additional images, (b, d).

    Raises:
        ValueError: If the features are not (b, d), or not finite.
    """
    x = np.asarray(features, np.float64)
    if x.ndim != 2 or (moments is not None and x.shape[1:] != moments.mean.shape):
        allowed = "d" if moments is None else moments.mean.size
        raise ValueError(f"features must have the shape (b, {allowed}), got {x.shape}")
    if not np.isfinite(x).all():
        raise ValueError("features must be finite, got NaN or an infinity")
    if len(x) == 0 and moments is not None:
        return moments
    mean = x.mean(axis=0) if len(x) else np.zeros(x.shape[1])
    scatter = (x - mean).T @ (x - mean)
    if moments is None:
        return Moments(len(x), mean, scatter)
    count = moments.num_pictures + len(x)
    step = mean - moments.mean
    weight = moments.num_pictures * len(x) / count
    scatter += moments.scatter + weight * np.outer(step, step)
    return Moments(count, moments.mean + step * (len(x) / count), scatter)


def frechet_distance(mean1: Vector, cov1: Matrix, mean2: Vector, cov2: Matrix) -> float:
    """Returns |mean1 - mean2|^2 + trace(cov1 + cov2 - 2 (cov1 cov2)^(1/2)).

    It is the distance between two normal distributions, with the formula of
    fid_score.py in mseitzer/pytorch-fid. The trace of the root is computed as the sum
    of the singular values of cov1^(1/2) cov2^(1/2). This avoids the root of an
    asymmetric matrix, complex numbers, and an offset for singular covariances, which
    occur with fewer images than features.

    Args:
        mean1: Mean of the first distribution.
        cov1: Covariance of the first distribution, symmetric.
        mean2: Mean of the second distribution.
        cov2: Covariance of the second distribution, symmetric.

    Raises:
        ValueError: If the shapes do not match.
    """
    means = [np.asarray(mean, np.float64) for mean in (mean1, mean2)]
    covs = [np.asarray(cov, np.float64) for cov in (cov1, cov2)]
    size = means[0].size
    shapes = [array.shape for array in (*means, *covs)]
    if shapes != [(size,), (size,), (size, size), (size, size)]:
        raise ValueError(
            "mean1, mean2, cov1 and cov2 must have the shapes (d,), (d,), (d, d) and "
            f"(d, d), got {shapes}"
        )
    first, second = (_factor(cov) for cov in covs)
    overlap = np.linalg.svd(first.T @ second, compute_uv=False).sum()
    traces = sum(np.trace(cov) for cov in covs)
    difference = means[0] - means[1]
    return max(0.0, float(difference @ difference + traces - 2.0 * overlap))


def _factor(cov: Matrix) -> Float[np.ndarray, "d r"]:
    """Returns F with F F^T = cov; its number of columns is the rank."""
    values, vectors = np.linalg.eigh((cov + cov.T) / 2)
    # Drops rounding errors of 1e-16 of the largest, whose roots would be 1e-8.
    nonzero = values > len(values) * np.finfo(np.float64).eps * max(values[-1], 0.0)
    return vectors[:, nonzero] * np.sqrt(values[nonzero])


def fid(
    features_a: Moments | Array | np.ndarray, features_b: Moments | Array | np.ndarray
) -> float:
    """Returns the Fréchet distance between two sets; 0 for equal moments.

    With features of `make_inception_features` it is FID. The FID in ArtFID has features
    of `make_art_inception_features`, between results and paintings.

    Args:
        features_a: Features of the first set, (n, d), or their moments.
        features_b: Features of the second set, (m, d), or their moments.

    Warns:
        UserWarning: If a set has fewer than `FEWEST_PICTURES` images.

    Raises:
        ValueError: If a set has fewer than 2 images, or the numbers of features differ.
    """
    a, b = (
        x if isinstance(x, Moments) else add_features(None, x)
        for x in (features_a, features_b)
    )
    covariances = a.covariance(), b.covariance()
    counts = a.num_pictures, b.num_pictures
    if min(counts) < FEWEST_PICTURES:
        warnings.warn(
            f"the Fréchet distance of {counts[0]} and {counts[1]} pictures compares "
            f"only with others of as many; use at least {FEWEST_PICTURES}",
            stacklevel=2,
        )
    return frechet_distance(a.mean, covariances[0], b.mean, covariances[1])


def art_fid(fid_value: float, lpips_mean: float) -> float:
    """Returns ArtFID, (1 + FID) (1 + LPIPS), at least 1 (Wright and Ommer 2022).

    It equals art_fid/art_fid.py of matthias-wright/art-fid with `--mode art_fid`; the
    default there, `art_fid_inf`, uses an FID extrapolated to infinitely many images.

    Args:
        fid_value: `fid` with ArtFID's own features, between results and paintings.
        lpips_mean: Mean LPIPS with AlexNet, between results and contents.

    Raises:
        ValueError: If an argument is negative or not finite.
    """
    for name, value in (("fid_value", fid_value), ("lpips_mean", lpips_mean)):
        if not 0.0 <= value < float("inf"):
            raise ValueError(f"{name} must be at least 0, got {value}")
    return (1.0 + fid_value) * (1.0 + lpips_mean)
