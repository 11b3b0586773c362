"""Which styles go to which region, and how strongly."""

from collections.abc import Sequence

import numpy as np

from styleflax.inference.checks import check_alpha, check_weights

Shares = Sequence[float]
"""Weights of all styles."""


def region_alphas_of(number: int, given: Sequence[float] | None) -> Sequence[float]:
    """The strength of every region; 1 by default.

    Raises:
        ValueError: If there are more or fewer, or one is not in [0, 1].
    """
    if given is None:
        return [1.0] * number
    if len(given) != number:
        raise ValueError(
            f"region_alphas must be one per mask, got {len(given)} for {number} masks"
        )
    for alpha in given:
        check_alpha(alpha, "region_alphas")
    return [float(alpha) for alpha in given]


def region_shares(
    num_styles: int,
    masks: Sequence[str],
    weights: Shares | None,
    given: Sequence[int | Shares] | None,
) -> list[Sequence[float]]:
    """The shares of all styles in every region; rows sum to 1.

    Args:
        num_styles: How many styles there are.
        masks: What messages call the masks.
        weights: Shares in every region, or None.
        given: For every mask the index of its style, or shares; by default the
            styles in order.

    Raises:
        ValueError: If these do not fit the masks or the styles.
    """
    if weights is not None and given is not None:
        raise ValueError(
            "weights (for all regions) and region_styles cannot be combined; give one "
            "of them"
        )
    if weights is not None or num_styles == 1:
        everywhere = check_weights(weights, num_styles)
        given = [everywhere] * len(masks) if given is None else given
    if given is None:
        given = range(num_styles)
        if num_styles != len(masks):
            raise ValueError(
                f"there are {num_styles} styles for {len(masks)} masks: give as many, "
                "or region_styles; the mask 'rest' is what others leave"
            )
    if len(given) != len(masks):
        raise ValueError(
            f"region_styles must be one per mask, got {len(given)} for "
            f"{len(masks)} masks"
        )
    return [
        _shares(num_styles, entry, name)
        for entry, name in zip(given, masks, strict=True)
    ]


def _shares(num_styles: int, entry: int | Shares, mask: str) -> Sequence[float]:
    if not isinstance(entry, int | np.integer):
        return check_weights(entry, num_styles)
    if not 0 <= entry < num_styles:
        raise ValueError(
            f"region_styles of {mask} must be an index from 0 to {num_styles - 1}, "
            f"got {entry}"
        )
    return [float(i == entry) for i in range(num_styles)]
