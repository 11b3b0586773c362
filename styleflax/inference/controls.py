"""The controls of a stylizer, checked and completed."""

import itertools
import math
from collections.abc import Mapping, Sequence
from typing import Literal, NamedTuple, Self, TypedDict, get_args

import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from styleflax.inference.checks import (
    Shares,
    check_alpha,
    check_refine,
    check_size,
    check_weights,
    region_alphas_of,
    region_shares,
)
from styleflax.inference.masks.read import Mask, Masking, check_masks, check_style_masks
from styleflax.methods.base import Controls

ColorMode = Literal["style", "coral", "luminance", "lab"]
"""Whose colors the result has: the style's, or in one of three ways the content's."""
MAX_EXAGGERATION = 10.0
"""Beyond it there is nothing left to see."""


class ControlArguments(TypedDict, total=False):
    """Keyword arguments of `Stylizer.__call__`.

    Attributes:
        alpha: Strength of the style, 0 to 1: 1 is the paper's, 0 gives the photo with
            `detail=1`, and with `detail=0` the photo as the method reproduces it (see
            `methods.make_adain`, `make_sanet`).
        exaggerate: Factor above 1, at most `MAX_EXAGGERATION`, on every strength, the
            only way beyond alpha 1: features go on in a straight line from the
            content's past the style's.
        weights: Share of every style in the mix, scaled to sum to 1; equal shares
            by default.
        masks: Where in the content each style goes: `masks.Mask`, or what
            `check_masks` made of them and the feather. Where they sum to more than
            1 they are scaled to sum to 1; where they sum to less the content keeps
            its pixels, unless "rest" is among them.
        region_styles: For every mask the index of its style, or the shares of all
            styles. By default the styles are given to the masks in order, or the
            one style to all of them.
        region_alphas: For every mask its strength, 0 to 1, times `alpha`.
        feather: Width in px, at the size that is stylized, over which edges of masks
            fade on either side.
        color: Whose colors the result has. "coral" gives each style's pixels the
            content's mean and covariance before they are encoded, "luminance"
            keeps the content's hues and takes only light and dark from the
            result, "lab" moves the result to the content's mean and deviation in
            CIELAB. With masks each region has the colors of its own place.
        size: Short side in px to which the content is resized; None keeps it.
        restore_size: Whether the result gets the size that the content had.
        style_size: Short side in px to which styles are resized; by default those
            above `stylizer.STYLE_SIZE_PX` are shrunk to it.
        style_masks: For every style the part of it that counts, a mask or None; its
            statistics and what is attended to are of that part.
        level_balance: SANet only, 0 to 1: 0 attends at relu4_1 alone, 1 at relu5_1;
            0.5 is the paper's.
        color_match: How far the result's chroma moves to the mean and covariance of
            the paintings', 0 to 1; see `ops.color_match`. Below strength 1 it moves
            less far, see `match_share`. By default what the model file says, and 0
            where `color` is not "style".
        detail: Share of what the network loses of the photo that is added below
            strength 1, in proportion to 1 - strength; with 1, strength 0 is the photo.
            By default what the model file says.
        refine: Iterations of L-BFGS on the losses of Gatys et al. (2016), from the
            network's result; 0, the default, leaves it as it is. They need the
            paintings' pixels; see `gatys.refine`.
    """

    alpha: float
    exaggerate: float | None
    weights: Shares | None
    masks: Mask | Sequence[Mask] | Masking | None
    region_styles: Sequence[int | Shares] | None
    region_alphas: Sequence[float] | None
    feather: float
    color: ColorMode
    size: int | None
    restore_size: bool
    style_size: int | None
    style_masks: Sequence[Mask | None] | None
    level_balance: float | None
    color_match: float | None
    detail: float | None
    refine: int


class Plan(NamedTuple):
    """Arguments of a stylizer, checked and completed.

    Attributes:
        strengths: Strengths of every region; one where there are no masks.
        shares: Shares of every style in every region; rows sum to 1.
        masking: The regions, or None for the whole picture.
        color: Whose colors the result has.
        size: Short side to which contents are resized, or None.
        restore_size: Whether results get the contents' own size.
        style_size: Short side to which styles are resized, or None.
        extras: Controls that only some methods have.
        style_masks: For every style the part of it that counts, or None.
        color_match: See `ControlArguments`; None is the model's own.
        detail: See `ControlArguments`; None is the model's own.
        refine: Iterations of optimization that follow the network.
    """

    strengths: tuple[float, ...]
    shares: tuple[tuple[float, ...], ...]
    masking: Masking | None
    color: ColorMode
    size: int | None
    restore_size: bool
    style_size: int | None
    extras: dict[str, float]
    style_masks: tuple[np.ndarray | None, ...]
    color_match: float | None
    detail: float | None
    refine: int = 0

    def asked(self) -> set[str]:
        """Names of the controls that are used; see `Method.controls`."""
        used = {
            "strength": any(strength != 1.0 for strength in self.strengths),
            "weights": len(self.shares[0]) > 1,
            "masks": self.masking is not None,
            "style_masks": any(mask is not None for mask in self.style_masks),
            "color_match": bool(self.color_match),
            "detail": bool(self.detail),
        }
        return {name for name, is_used in used.items() if is_used} | self.extras.keys()

    def completed(self, defaults: Mapping[str, float]) -> Self:
        """The plan with a model's own values where none are asked for."""
        color_match, detail = (
            defaults.get(name, 0.0) if asked is None else asked
            for name, asked in (
                ("color_match", self.color_match),
                ("detail", self.detail),
            )
        )
        color_match *= self.color == "style"
        return self._replace(color_match=color_match, detail=detail)

    def controls(self, masks: np.ndarray) -> Controls:
        """What the method is given, for those masks (r, h, w).

        There may be one mask more than regions: of what keeps its pixels.
        """
        kept = len(masks) - len(self.strengths)
        even = (1 / len(self.shares[0]),) * len(self.shares[0])
        strengths = self.strengths + (0.0,) * kept
        matched = [(self.color_match or 0.0) * match_share(s) for s in strengths]
        detail = self.detail_shares(len(masks))
        return Controls(
            jnp.asarray(strengths, jnp.float32),
            jnp.asarray(self.shares + (even,) * kept, jnp.float32),
            jnp.asarray(masks, jnp.float32),
            {k: jnp.asarray(v, jnp.float32) for k, v in self.extras.items()},
            jnp.asarray(matched, jnp.float32) if any(matched) else None,
            None if detail is None else jnp.asarray(detail),
        )

    def detail_shares(self, num_masks: int) -> Float[np.ndarray, " r"] | None:
        """The share of lost detail that comes back under every mask; None for none.

        Args:
            num_masks: One for every region, or one more for what keeps its pixels.
        """
        lacking = [max(1.0 - strength, 0.0) for strength in self.strengths]
        if not self.detail or not any(lacking):
            return None
        kept = [1.0] * (num_masks - len(lacking))
        return self.detail * np.asarray(lacking + kept, np.float32)


def match_share(strength: float) -> float:
    """The factor on `color_match` at a strength: 0 at 0, and 1 from 1 on.

    Of the functions that docs/controls.md compares, the one that brings the painting's
    colors along with its texture: not after it, and not before.
    """
    return 1.0 - (1.0 - min(strength, 1.0)) ** 2


def make_plan(  # noqa: PLR0913  (a user's keyword arguments)
    num_styles: int,
    *,
    alpha: float = 1.0,
    exaggerate: float | None = None,
    weights: Shares | None = None,
    masks: Mask | Sequence[Mask] | Masking | None = None,
    region_styles: Sequence[int | Shares] | None = None,
    region_alphas: Sequence[float] | None = None,
    feather: float = 0.0,
    color: ColorMode = "style",
    size: int | None = None,
    restore_size: bool = False,
    style_size: int | None = None,
    style_masks: Sequence[Mask | None] | None = None,
    color_match: float | None = None,
    detail: float | None = None,
    refine: int = 0,
    **extras: float | None,
) -> Plan:
    """The plan for these `ControlArguments` and as many styles.

    Raises:
        ValueError: Naming the argument, what was given and what is allowed.
        FileNotFoundError: If the file of a mask is missing.
    """
    check_alpha(alpha)
    check_refine(refine)
    for name, side in (("size", size), ("style_size", style_size)):
        if side is not None:
            check_size(side, name)
    _check_color(color, color_match, detail)
    masking = None if masks is None else check_masks(masks, feather)
    if masking is None and (region_styles is not None or region_alphas is not None):
        raise ValueError("region_styles and region_alphas require masks")
    if masking is None:
        shares = [check_weights(weights, num_styles)]
    else:
        shares = region_shares(num_styles, masking.names, weights, region_styles)
    factor = alpha * _exaggeration(exaggerate)
    return Plan(
        tuple(factor * a for a in region_alphas_of(len(shares), region_alphas)),
        tuple(tuple(row) for row in shares),
        masking,
        color,
        size,
        restore_size,
        style_size,
        _of_methods(extras),
        check_style_masks(style_masks, num_styles),
        color_match,
        detail,
        refine,
    )


def _check_color(color: str, color_match: float | None, detail: float | None) -> None:
    if color not in get_args(ColorMode):
        raise ValueError(f"color must be one of {get_args(ColorMode)}, got {color!r}")
    for name, share in (("color_match", color_match), ("detail", detail)):
        if share is not None:
            check_alpha(share, name)
    if color_match and color != "style":
        raise ValueError(
            "color_match must be 0 if the photo's colors are kept, got "
            f"{color_match} with color={color!r}"
        )


def schedule_weights(
    keyframes: Sequence[tuple[float, Shares]], t: float
) -> list[float]:
    """The shares of styles at a time, linear between keyframes.

    Args:
        keyframes: Times, rising, each with the weights of all styles then; these
            are scaled to sum to 1 first. Before the first and after the last
            keyframe nothing changes.
        t: A time.

    Returns:
        Weights that sum to 1.

    Raises:
        ValueError: If there are no keyframes, their times do not rise, or weights
            are not as `check_weights` wants them.

    Example:
        >>> schedule_weights([(0.0, [1, 0]), (2.0, [0, 1])], t=0.5)
        [0.75, 0.25]
    """
    if not keyframes:
        raise ValueError("keyframes must have at least one keyframe, got none")
    times = [float(time) for time, _ in keyframes]
    rising = all(a < b for a, b in itertools.pairwise(times))
    if not rising or not all(map(math.isfinite, [*times, t])):
        raise ValueError(f"times of keyframes must be finite and increase, got {times}")
    rows = [check_weights(weights, len(keyframes[0][1])) for _, weights in keyframes]
    position = float(np.interp(t, times, range(len(times))))
    before = min(int(position), len(rows) - 2) if len(rows) > 1 else 0
    after, share = min(before + 1, len(rows) - 1), position - before
    return [
        (1.0 - share) * a + share * b
        for a, b in zip(rows[before], rows[after], strict=True)
    ]


def _of_methods(extras: Mapping[str, float | None]) -> dict[str, float]:
    given = {name: float(x) for name, x in extras.items() if x is not None}
    for name, value in given.items():
        check_alpha(value, name)
    return given


def _exaggeration(exaggerate: float | None) -> float:
    if exaggerate is None:
        return 1.0
    if not 1.0 < exaggerate <= MAX_EXAGGERATION:
        raise ValueError(
            f"exaggerate must be above 1 and at most {MAX_EXAGGERATION:g}, got "
            f"{exaggerate}; use alpha from 0 to 1"
        )
    return float(exaggerate)
