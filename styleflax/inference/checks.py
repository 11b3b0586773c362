"""What stylizing refuses, and which styles go to which region."""

from collections.abc import Sequence

import numpy as np

MIN_SIDE_PX = 16


def check_weights(weights: Sequence[float] | None, num_styles: int) -> Sequence[float]:
    """The shares of styles, scaled to sum to 1; equal by default.

    Raises:
        ValueError: Naming the weights and what they must be.
    """
    if not num_styles:
        raise ValueError("style must have at least one style, got none")
    given = [1.0] * num_styles if weights is None else [float(w) for w in weights]
    if len(given) != num_styles:
        raise ValueError(
            f"weights must be one per style, got {len(given)} for {num_styles} styles"
        )
    if not all(0.0 <= w < float("inf") for w in given) or not any(given):
        raise ValueError(
            f"weights must be finite, at least 0 and not all 0, got {given}"
        )
    # In two steps, as neither the sum nor a share may leave the range of float32.
    scaled = [w / max(given) for w in given]
    return [w / sum(scaled) for w in scaled]


def check_alpha(alpha: float, name: str = "alpha") -> None:
    """Refuses a strength outside [0, 1], NaN included.

    Raises:
        ValueError: Naming the argument and the value.
    """
    if not 0.0 <= alpha <= 1.0:
        raise ValueError(f"{name} must be in [0, 1], got {alpha}")


def check_refine(refine: int) -> None:
    """Refuses what is not a number of iterations.

    Raises:
        ValueError: If it is negative or not a whole number.
    """
    if refine < 0 or refine != int(refine):
        raise ValueError(f"refine must be a whole number from 0, got {refine}")


def check_size(size: int, name: str = "size") -> None:
    """Refuses a short side that is too small to encode.

    Raises:
        ValueError: Naming the argument and the value.
    """
    if size < MIN_SIDE_PX:
        raise ValueError(f"{name} must be at least {MIN_SIDE_PX} px, got {size}")


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
