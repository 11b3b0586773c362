"""Scalars computed from features or images."""

from typing import TYPE_CHECKING

from styleflax.lazy import lazy_names

if TYPE_CHECKING:
    from styleflax.losses.adversarial import adversarial_loss, critic_loss
    from styleflax.losses.content import (
        grid_loss,
        mse_loss,
        out_of_range_loss,
        pixel_loss,
        spectrum_loss,
        total_variation_loss,
    )
    from styleflax.losses.distributions import (
        covariance_loss,
        gaussian_mmd_loss,
        histogram_loss,
        linear_mmd_loss,
        polynomial_mmd_loss,
    )
    from styleflax.losses.mrf import mrf_loss
    from styleflax.losses.style import (
        StyleLoss,
        balanced_gram_loss,
        balanced_mean_std_loss,
        find_style_loss,
        gram_loss,
        mean_std_loss,
        style_losses,
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
        "StyleLoss": "style",
        "balanced_gram_loss": "style",
        "balanced_mean_std_loss": "style",
        "covariance_loss": "distributions",
        "critic_loss": "adversarial",
        "find_style_loss": "style",
        "gaussian_mmd_loss": "distributions",
        "gram_loss": "style",
        "grid_loss": "content",
        "histogram_loss": "distributions",
        "linear_mmd_loss": "distributions",
        "mean_std_loss": "style",
        "mrf_loss": "mrf",
        "mse_loss": "content",
        "out_of_range_loss": "content",
        "adversarial_loss": "adversarial",
        "pixel_loss": "content",
        "polynomial_mmd_loss": "distributions",
        "spectrum_loss": "content",
        "style_losses": "style",
        "total_variation_loss": "content",
    },
)
