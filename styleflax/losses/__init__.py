"""Scalars computed from features or images."""

from typing import TYPE_CHECKING

from styleflax.lazy import lazy_names

if TYPE_CHECKING:
    from styleflax.losses.adversarial import critic_loss, persuasion_loss
    from styleflax.losses.content import mse_loss, pixel_loss
    from styleflax.losses.covariance import covariance_loss
    from styleflax.losses.histogram import histogram_loss
    from styleflax.losses.mmd import (
        gaussian_mmd_loss,
        linear_mmd_loss,
        polynomial_mmd_loss,
    )
    from styleflax.losses.mrf import mrf_loss
    from styleflax.losses.registry import StyleLoss, find_style_loss, style_losses
    from styleflax.losses.regularizers import (
        grid_loss,
        out_of_range_loss,
        total_variation_loss,
    )
    from styleflax.losses.style import (
        balanced_gram_loss,
        balanced_mean_std_loss,
        gram_loss,
        mean_std_loss,
    )

__all__ = [
    "StyleLoss",
    "balanced_gram_loss",
    "balanced_mean_std_loss",
    "covariance_loss",
    "critic_loss",
    "find_style_loss",
    "gaussian_mmd_loss",
    "gram_loss",
    "grid_loss",
    "histogram_loss",
    "linear_mmd_loss",
    "mean_std_loss",
    "mrf_loss",
    "mse_loss",
    "out_of_range_loss",
    "persuasion_loss",
    "pixel_loss",
    "polynomial_mmd_loss",
    "style_losses",
    "total_variation_loss",
]

__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "StyleLoss": "registry",
        "balanced_gram_loss": "style",
        "balanced_mean_std_loss": "style",
        "covariance_loss": "covariance",
        "critic_loss": "adversarial",
        "find_style_loss": "registry",
        "gaussian_mmd_loss": "mmd",
        "gram_loss": "style",
        "grid_loss": "regularizers",
        "histogram_loss": "histogram",
        "linear_mmd_loss": "mmd",
        "mean_std_loss": "style",
        "mrf_loss": "mrf",
        "mse_loss": "content",
        "out_of_range_loss": "regularizers",
        "persuasion_loss": "adversarial",
        "pixel_loss": "content",
        "polynomial_mmd_loss": "mmd",
        "style_losses": "registry",
        "total_variation_loss": "regularizers",
    },
)
