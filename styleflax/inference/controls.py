"""The controls of a stylizer, checked and completed."""

from collections.abc import Mapping, Sequence
from typing import Literal, NamedTuple, Self, TypedDict, get_args

import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from styleflax.images.decoding import MIN_SIDE_PX
from styleflax.inference.masks.read import Mask, MaskSet, check_masks, check_style_masks
from styleflax.methods.base import Controls

ColorMode = Literal["style", "coral", "luminance", "lab"]
"""Colors of the result: the style's, or one of three ways to keep the content's."""
Shares = Sequence[float]
"""Weights of all styles."""
MAX_EXAGGERATION = 10.0
"""Beyond this factor, results show no recognizable content."""


class ControlArguments(TypedDict, total=False):
    """Keyword arguments of `Stylizer.__call__`.

    Attributes:
        alpha: Strength of the style, 0 to 1: 1 is the paper's transfer; 0 returns the
            photo with `detail=1`, or with `detail=0` the photo as the method
            reconstructs it (see `methods.make_adain`, `make_sanet`).
        exaggerate: Factor on every strength, from 1 to `MAX_EXAGGERATION`: features are
            extrapolated in a straight line from the content's beyond the style's.
        weights: Share of every style in the mix, scaled to sum to 1; equal shares
            by default.
        masks: Regions of the content: `masks.Mask`, or what `check_masks` returned.
            Where masks sum to more than 1, they are scaled to sum to 1; where they sum
            to less, the content keeps its pixels, unless "rest" is among them.
        region_styles: For every mask, the index of its style or the shares of all
            styles. By default styles belong to masks in order, or a single style to all
            masks.
        region_alphas: For every mask, its strength from 0 to 1, multiplied by `alpha`.
        feather: Width in px, at the size that is stylized, over which edges of masks
            fade on either side.
        color: Colors of the result. "coral" gives each style's pixels the content's
            mean and covariance before they are encoded, "luminance" keeps the content's
            hues and takes only the luma from the result, "lab" moves the result to the
            content's mean and deviation in CIELAB. With masks, each region uses the
            colors of its own place.
        size: Short side in px to which the content is resized; None keeps it.
        restore_size: Whether the result is scaled back to the content's original size.
        style_size: Short side in px to which styles are resized; by default larger
            styles are reduced to `stylizer.STYLE_SIZE_PX`.
        style_masks: For every style, a mask of the part to use, or None; statistics and
            attention are limited to that part.
        level_balance: SANet only, 0 to 1: 0 attends at relu4_1 alone, 1 at relu5_1
            alone; 0.5 is the paper's sum.
        color_match: Share, 0 to 1, by which the result's chroma moves to the mean and
            covariance of the paintings' chroma; see `ops.color_match`, and
            `match_share` for strengths below 1. The default is set by the model file,
            and is 0 if `color` is not "style".
        detail: Share of the photo's lost detail that is added back below strength 1, in
            proportion to 1 - strength; with 1, strength 0 returns the photo. The
            default is set by the model file.
        refine: Iterations of L-BFGS on the losses of Gatys et al. (2016), from the
            network's result; 0, the default, leaves it as it is. They need the
            paintings' pixels; see `gatys.refine`.
    """

    alpha: float
    exaggerate: float | None
    weights: Shares | None
    masks: Mask | Sequence[Mask] | MaskSet | None
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
        mask_set: The regions, or None for the whole picture.
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
    mask_set: MaskSet | None
    color: ColorMode
    size: int | None
    restore_size: bool
    style_size: int | None
    extras: dict[str, float]
    style_masks: tuple[np.ndarray | None, ...]
    color_match: float | None
    detail: float | None
    refine: int = 0

    def used_controls(self) -> set[str]:
        """Returns the names of the controls that are used; see `Method.controls`."""
        used = {
            "strength": any(strength != 1.0 for strength in self.strengths),
            "weights": len(self.shares[0]) > 1,
            "masks": self.mask_set is not None,
            "style_masks": any(mask is not None for mask in self.style_masks),
            "color_match": bool(self.color_match),
            "detail": bool(self.detail),
        }
        return {name for name, is_used in used.items() if is_used} | self.extras.keys()

    @property
    def takes_colors(self) -> bool:
        """Whether results take colors of their photo once they are made."""
        return self.color in {"luminance", "lab"}

    def completed(self, defaults: Mapping[str, float]) -> Self:
        """Returns the plan with a model's default values for controls that are None."""
        color_match, detail = (
            defaults.get(name, 0.0) if value is None else value
            for name, value in (
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
        num_photo_masks = len(masks) - len(self.strengths)
        even = (1 / len(self.shares[0]),) * len(self.shares[0])
        strengths = self.strengths + (0.0,) * num_photo_masks
        matched = [(self.color_match or 0.0) * match_share(s) for s in strengths]
        detail = self.detail_shares(len(masks))
        return Controls(
            jnp.asarray(strengths, jnp.float32),
            jnp.asarray(self.shares + (even,) * num_photo_masks, jnp.float32),
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
        photo_shares = [1.0] * (num_masks - len(lacking))
        return self.detail * np.asarray(lacking + photo_shares, np.float32)


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
    masks: Mask | Sequence[Mask] | MaskSet | None = None,
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
        ValueError: If an argument is out of range or does not fit the others.
        FileNotFoundError: If the file of a mask is missing.
    """
    check_alpha(alpha)
    check_refine(refine)
    for name, side in (("size", size), ("style_size", style_size)):
        if side is not None:
            check_size(side, name)
    _check_color(color, color_match, detail)
    mask_set = None if masks is None else check_masks(masks, feather)
    if mask_set is None and (region_styles is not None or region_alphas is not None):
        raise ValueError("region_styles and region_alphas require masks")
    if mask_set is None:
        shares = [check_weights(weights, num_styles)]
    else:
        shares = region_shares(num_styles, mask_set.names, weights, region_styles)
    style_parts: tuple[np.ndarray | None, ...] = (None,) * num_styles
    if style_masks is not None:
        style_parts = check_style_masks(style_masks, num_styles)
    factor = alpha * _exaggeration(exaggerate)
    return Plan(
        tuple(factor * a for a in region_alphas_of(len(shares), region_alphas)),
        tuple(tuple(row) for row in shares),
        mask_set,
        color,
        size,
        restore_size,
        style_size,
        _of_methods(extras),
        style_parts,
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


def check_weights(weights: Sequence[float] | None, num_styles: int) -> Sequence[float]:
    """The shares of styles, scaled to sum to 1; equal by default.

    Raises:
        ValueError: If the weights have a wrong shape, or are negative or all 0.
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
        ValueError: If a value is out of range; the error names the argument.
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
        ValueError: If a value is out of range; the error names the argument.
    """
    if size < MIN_SIDE_PX:
        raise ValueError(f"{name} must be at least {MIN_SIDE_PX} px, got {size}")


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
