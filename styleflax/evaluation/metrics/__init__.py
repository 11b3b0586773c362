"""Metrics of images and detectors of artifacts, as pure functions.

Images are float32 RGB in [0, 1], (h, w, 3) or (b, h, w, 3). A metric returns one number
per image, of shape (b,), with b = 1 for an image without a batch axis.
"""

from typing import TYPE_CHECKING

from styleflax.lazy import lazy_names

if TYPE_CHECKING:
    from styleflax.evaluation.metrics.artifacts import (
        Artifacts,
        detect_artifacts,
        detect_border,
        detect_checkerboard,
    )
    from styleflax.evaluation.metrics.blobs import detect_blobs, detect_gray_patch
    from styleflax.evaluation.metrics.bootstrap import Interval, bootstrap_mean
    from styleflax.evaluation.metrics.lpips import make_lpips
    from styleflax.evaluation.metrics.structure import (
        ms_ssim,
        psnr,
        self_similarity_distance,
        ssim,
    )
    from styleflax.evaluation.metrics.style import (
        color_distance,
        gram_distances,
        gram_matrices,
        hellinger,
        make_loss_measure,
    )

__all__ = [
    "Artifacts",
    "Interval",
    "bootstrap_mean",
    "color_distance",
    "detect_artifacts",
    "detect_blobs",
    "detect_border",
    "detect_checkerboard",
    "detect_gray_patch",
    "gram_distances",
    "gram_matrices",
    "hellinger",
    "make_loss_measure",
    "make_lpips",
    "ms_ssim",
    "psnr",
    "self_similarity_distance",
    "ssim",
]

__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "Artifacts": "artifacts",
        "Interval": "bootstrap",
        "bootstrap_mean": "bootstrap",
        "color_distance": "style",
        "detect_artifacts": "artifacts",
        "detect_blobs": "blobs",
        "detect_border": "artifacts",
        "detect_checkerboard": "artifacts",
        "detect_gray_patch": "blobs",
        "gram_distances": "style",
        "gram_matrices": "style",
        "hellinger": "style",
        "make_lpips": "lpips",
        "make_loss_measure": "style",
        "ms_ssim": "structure",
        "psnr": "structure",
        "self_similarity_distance": "structure",
        "ssim": "structure",
    },
)
