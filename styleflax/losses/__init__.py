"""Scalars computed from features or images."""

from typing import TYPE_CHECKING

from styleflax.lazy import lazy_names

if TYPE_CHECKING:
    from styleflax.losses.distributions import (
        covariance_loss,
        gaussian_mmd_loss,
        histogram_loss,
        linear_mmd_loss,
        polynomial_mmd_loss,
    )
    from styleflax.losses.patches import adversarial_loss, critic_loss, mrf_loss
    from styleflax.losses.perceptual import (
        StyleLoss,
        balanced_gram_loss,
        balanced_mean_std_loss,
        find_style_loss,
        gram_loss,
        mean_std_loss,
        mse_loss,
        style_losses,
    )
    from styleflax.losses.pixels import (
        grid_loss,
        out_of_range_loss,
        pixel_loss,
        spectrum_loss,
        total_variation_loss,
    )

__all__ = [
    "StyleLoss",
    "adversarial_loss",
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
    "pixel_loss",
    "polynomial_mmd_loss",
    "spectrum_loss",
    "style_losses",
    "total_variation_loss",
]

__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "StyleLoss": "perceptual",
        "balanced_gram_loss": "perceptual",
        "balanced_mean_std_loss": "perceptual",
        "covariance_loss": "distributions",
        "critic_loss": "patches",
        "find_style_loss": "perceptual",
        "gaussian_mmd_loss": "distributions",
        "gram_loss": "perceptual",
        "grid_loss": "pixels",
        "histogram_loss": "distributions",
        "linear_mmd_loss": "distributions",
        "mean_std_loss": "perceptual",
        "mrf_loss": "patches",
        "mse_loss": "perceptual",
        "out_of_range_loss": "pixels",
        "adversarial_loss": "patches",
        "pixel_loss": "pixels",
        "polynomial_mmd_loss": "distributions",
        "spectrum_loss": "pixels",
        "style_losses": "perceptual",
        "total_variation_loss": "pixels",
    },
)
