"""The controls of an exported model, checked and completed to a plan."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float

from styleflax.export.runtime.windows import normalize_masks

MAX_STRENGTH = 10.0
"""Largest strength; beyond it no image is recognizable."""


_EVEN = 0.5


class Plan(NamedTuple):
    """The controls of one photo; uncovered pixels form one more region.

    Attributes:
        strength: Strength of every region.
        weights: Share of every style in every region; rows sum to 1.
        masks: Masks at the photo's pixels; None for one region.
        has_rest: Whether the last region is uncovered and retains the photo's pixels.
        color_match: Strength of the color step in every region; None for none.
        detail: Share of the photo's lost detail in every region; None for none.
        level_balance: Level balance of SANet.
    """

    strength: Float[np.ndarray, " r"]
    weights: Float[np.ndarray, "r s"]
    masks: Float[np.ndarray, "r h w"] | None
    has_rest: bool
    color_match: Float[np.ndarray, " r"] | None
    detail: Float[np.ndarray, " r"] | None
    level_balance: float

    def at_pixels(
        self, values: Float[np.ndarray, " r"], place: tuple[slice, slice]
    ) -> Float[np.ndarray, "_ _ 1"]:
        """Returns values of regions, mixed at the pixels of a part of the photo."""
        if self.masks is None:
            return values.reshape(1, 1, 1)
        return np.tensordot(values, self.masks[(slice(None), *place)], 1)[..., None]


def make_plan(  # noqa: PLR0913  (a user's keyword arguments)
    manifest: Mapping[str, Any],
    num_styles: int,
    size: tuple[int, int],
    *,
    alpha: float,
    weights: Sequence[float] | Sequence[Sequence[float]] | None,
    masks: Sequence[np.ndarray] | None,
    region_alphas: Sequence[float] | None,
    color_match: float | None,
    detail: float | None,
    level_balance: float,
) -> Plan:
    """Returns the plan for the arguments of `OnnxStylizer.__call__`.

    Raises:
        ValueError: If an argument is out of range, does not fit the others, or the
            model does not support the control.
    """
    _check_range("alpha", alpha, MAX_STRENGTH)
    _check_range("level_balance", level_balance)
    num_regions = 1 if masks is None else len(masks)
    strength = alpha * _region_alphas(region_alphas, num_regions)
    requested = {
        "strength": bool((strength != 1.0).any()),
        "weights": num_styles > 1,
        "masks": masks is not None,
        "color_match": bool(color_match),
        "detail": bool(detail),
        "level_balance": level_balance != _EVEN,
    }
    check_controls(manifest, [name for name, is_used in requested.items() if is_used])
    shares = _shares(weights, num_styles, num_regions, has_masks=masks is not None)
    lacking = np.maximum(1.0 - strength, 0.0)
    has_detail = _default(manifest, "detail", detail) * lacking.any() > 0
    matched = 1.0 - (1.0 - np.minimum(strength, 1.0)) ** 2
    regions, has_rest = (None, False) if masks is None else _regions(masks, size)
    if has_rest:
        strength, lacking = np.append(strength, 0.0), np.append(lacking, 1.0)
        matched = np.append(matched, 0.0)
        shares = np.vstack([shares, np.full((1, num_styles), 1 / num_styles)])
    matched *= _default(manifest, "color_match", color_match)
    lacking *= _default(manifest, "detail", detail)
    return Plan(
        strength.astype(np.float32),
        shares.astype(np.float32),
        regions if regions is not None and len(regions) > 1 else None,
        has_rest,
        matched.astype(np.float32) if matched.any() else None,
        lacking.astype(np.float32) if has_detail else None,
        level_balance,
    )


def _region_alphas(
    region_alphas: Sequence[float] | None, num_regions: int
) -> Float[np.ndarray, " r"]:
    alphas = [1.0] * num_regions if region_alphas is None else list(region_alphas)
    if len(alphas) != num_regions:
        raise ValueError(
            f"region_alphas must be one per region, got {len(alphas)} for {num_regions}"
        )
    for alpha in alphas:
        _check_range("region_alphas", alpha)
    return np.array(alphas, np.float64)


def _regions(
    masks: Sequence[np.ndarray], size: tuple[int, int]
) -> tuple[Float[np.ndarray, "_ h w"], bool]:
    for mask in masks:
        if np.shape(mask) != size:
            raise ValueError(
                f"masks must be of the photo's size {size}, got {np.shape(mask)}"
            )
    return normalize_masks(masks)


def check_controls(manifest: Mapping[str, Any], requested: Sequence[str]) -> None:
    """Checks that the model supports all requested controls.

    Raises:
        ValueError: If it lacks one; the error lists those that it has.
    """
    for name in requested:
        if name not in manifest["controls"]:
            supported = ", ".join(manifest["controls"]) or "none"
            raise ValueError(
                f"controls must be among {supported} with {manifest['method']}, got "
                f"{name!r}"
            )


def _check_range(name: str, value: float, largest: float = 1.0) -> None:
    if not 0.0 <= value <= largest:
        raise ValueError(f"{name} must be from 0 to {largest:g}, got {value}")


def _default(manifest: Mapping[str, Any], name: str, value: float | None) -> float:
    if value is not None:
        _check_range(name, value)
        return value
    default = manifest["defaults"].get(name, 0.0)
    return float(default) if name in manifest["controls"] else 0.0


def _shares(
    weights: Any, num_styles: int, num_regions: int, *, has_masks: bool
) -> Float[np.ndarray, "r s"]:
    if weights is None:
        even = np.full((num_regions, num_styles), 1 / num_styles)
        if not has_masks or num_styles == 1:
            return even
        if num_styles != num_regions:
            raise ValueError(
                f"weights must be given for {num_styles} styles in {num_regions} "
                "regions; without weights, give one style per region"
            )
        return np.eye(num_regions)
    rows = np.atleast_2d(np.asarray(weights, np.float64))
    allowed = {(1, num_styles), (num_regions, num_styles)}
    if rows.shape not in allowed or not (rows >= 0).all() or (rows.sum(1) <= 0).any():
        raise ValueError(
            f"weights must be at least 0, not all 0, and of shape ({num_styles},) or "
            f"({num_regions}, {num_styles}), got {np.shape(weights)}"
        )
    rows = rows / rows.sum(axis=1, keepdims=True)
    return np.broadcast_to(rows, (num_regions, num_styles))
