"""What stylizing refuses, wherever it is asked for."""

from collections.abc import Sequence

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
