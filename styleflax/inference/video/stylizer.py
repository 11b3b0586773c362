"""Stylizes videos frame by frame, without flicker of the whole frame."""

import itertools
import logging
import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, UInt8

from styleflax.images.files import resize_short_side, to_float
from styleflax.inference.color import (
    ColorStatistics,
    color_style,
    finish,
    target_region_masks,
)
from styleflax.inference.contents import Content
from styleflax.inference.controls import Plan, Shares, check_weights
from styleflax.inference.masks.layout import WHOLE, RegionMasks, make_region_masks
from styleflax.inference.stylizer import OneStyle, Stylizer
from styleflax.inference.video.frame import (
    WHOLE_PX,
    CutFinder,
    Smoother,
    Statistics,
    Steadier,
    decay_factor,
    stylize_frame,
)
from styleflax.memory import NotEnoughMemoryError, explain_memory_errors, refuse_fork
from styleflax.methods.base import Controls, Style
from styleflax.methods.model import Model, build_model, notable_cost
from styleflax.ops.color_match import ColorMoments
from styleflax.weights.store import find_model, load_model

logger = logging.getLogger(__name__)

SMOOTH_S = 0.25
"""Default time constant of the statistics in seconds."""
STEADY = 0.5
"""Default share of the previous result in a frame."""
Keyframes = Sequence[tuple[float, Shares]]


class VideoStylizer:
    """Stylizes the frames of a video, one after the other and in order.

    Styles are encoded once, except with `color="coral"`, which takes the content's
    colors from the first frame of each scene. Programs are compiled once.

    Args:
        model: What `build_model` returned.
        stylizer: Stylizer of that model; it encodes styles.
        styles: What its `prepare_style` returned for this plan.
        plan: What `make_plan` returned.
        smooth_s: Time constant in seconds of the exponential average over the content's
            moments, the result's color moments if colors are matched and, with
            `color="lab"`, its CIELAB statistics; it is reset at cuts (see
            `CutFinder`). 0 disables it.
        steady: Share of the previous result, moved by the estimated motion, that is
            mixed into a frame, see `Steadier`; 0 disables it.
        keyframes: Weights of the styles over time, in place of the plan's; see
            `schedule_weights`.
        announce: Function that receives a message before work that takes long.

    Raises:
        ValueError: If `smooth_s` is negative or not finite, `steady` not in [0, 1),
            keyframes are invalid or for another number of styles, or a mask is
            "alpha", which a video does not have.

    Example:
        >>> model, stylizer = load_for_video("adain")
        >>> plan = make_plan(1, alpha=0.8)
        >>> style = stylizer.prepare_style("painting.jpg")
        >>> video = VideoStylizer(model, stylizer, [style], plan)
        >>> pictures = [video(frame_u8, k / 25) for k, frame_u8 in enumerate(frames)]
    """

    def __init__(
        self,
        model: Model,
        stylizer: Stylizer,
        styles: Sequence[OneStyle],
        plan: Plan,
        *,
        smooth_s: float = SMOOTH_S,
        steady: float = STEADY,
        keyframes: Keyframes | None = None,
        announce: Callable[[str], None] = logger.warning,
    ) -> None:
        _check(len(styles), plan, smooth_s, keyframes)
        if not 0.0 <= steady < 1.0:
            raise ValueError(f"steady must be in [0, 1), got {steady}")
        self._model, self._encode = model, stylizer.encode_style
        self._prepared, self._plan = styles, stylizer.complete_plan(plan, styles)
        self._smooth_s, self._keyframes = smooth_s, keyframes
        self._announce, self._whole_px = announce, WHOLE_PX
        self._scenes, self._time_s = CutFinder(), 0.0
        self._moments: Smoother[Statistics] = Smoother()
        self._lab: Smoother[ColorStatistics] = Smoother()
        self._colors: Smoother[ColorMoments] = Smoother()
        self._steady = Steadier(steady)
        self._styles: list[Style] = []
        self._controls: Controls | None = None
        self._masks: RegionMasks | None = None
        self._target_masks: RegionMasks | None = None

    @property
    def num_scenes(self) -> int:
        """Returns the number of scenes so far."""
        return self._scenes.num_scenes

    def __call__(
        self, frame_u8: UInt8[np.ndarray, "h w 3"], time_s: float
    ) -> Float[np.ndarray, "th tw 3"]:
        """Returns the next frame, stylized.

        Args:
            frame_u8: Frame (uint8); all frames have the same size.
            time_s: Time of the frame in seconds from the start of the video.

        Returns:
            RGB in [0, 1].

        Raises:
            ValueError: If a mask's region is empty.
        """
        refuse_fork()
        content = self._sizes_of(frame_u8)
        image = to_float(content.image)
        decay = decay_factor(time_s - self._time_s, self._smooth_s)
        self._time_s = time_s
        if self._controls is None:
            self._prepare(content)
        cut = self._scenes(frame_u8)
        if cut:
            decay = 0.0
            if not self._styles or self._plan.color == "coral":
                self._styles = self._encode_styles(image)

        def smooth_moments(moments: Statistics) -> Statistics:
            return self._moments(moments, decay)

        def smooth_colors(colors: ColorMoments) -> ColorMoments:
            return self._colors(colors, decay)

        def smooth_lab(colors: ColorStatistics) -> ColorStatistics:
            return self._lab(colors, decay)

        stylized = self._stylize(
            content.image, self._controls_at(time_s), smooth_moments, smooth_colors
        )
        stylized = self._steady(stylized, image, cut=cut)
        stylized.flags.writeable = False  # the next frame is mixed with it
        return finish(stylized, content, self._target_masks, self._plan, smooth_lab)

    def _stylize(
        self,
        frame_u8: UInt8[np.ndarray, "h w 3"],
        controls: Controls,
        smooth: Callable[[Statistics], Statistics],
        smooth_colors: Callable[[ColorMoments], ColorMoments],
    ) -> Float[np.ndarray, "h w 3"]:
        """Returns a stylized frame; switches to windows if memory does not suffice."""
        height, width, _ = frame_u8.shape
        doing = f"stylizing a frame of {width} x {height} px"
        while True:
            operands = (self._model, frame_u8, self._styles, controls, smooth)
            try:
                with explain_memory_errors(doing, "use a smaller --size"):
                    return stylize_frame(
                        *operands, self._whole_px, smooth_colors=smooth_colors
                    )
            except NotEnoughMemoryError as error:
                if self._whole_px < height * width or self._model.method.tiling is None:
                    raise
                self._whole_px = 0
                self._announce(
                    f"{error.doing} {error.lack}; frames are stylized in windows"
                )

    def _sizes_of(self, frame_u8: UInt8[np.ndarray, "h w 3"]) -> Content:
        """Returns the frame at the size for stylizing, and at that of the result."""
        size, image_u8 = self._plan.size, frame_u8
        if size is not None:
            image_u8 = np.asarray(resize_short_side(frame_u8, size))
        return Content(
            image_u8, frame_u8 if self._plan.restore_size else image_u8, None
        )

    def _prepare(self, content: Content) -> None:
        """Builds masks and controls once for all frames, which have one size."""
        height, width, _ = content.image.shape
        self._masks = make_region_masks(
            self._plan.mask_set, height, width, cached_bands=None
        )
        self._target_masks = target_region_masks(
            self._masks, content, self._plan, cached_bands=None
        )
        masks = WHOLE if self._masks is None else self._masks[:, :height]
        self._controls = self._plan.controls(masks)
        cost = notable_cost(self._model, 1, height, width, self._controls)
        if cost is not None:
            self._announce(f"every frame, at least: {cost}")

    def _controls_at(self, time_s: float) -> Controls:
        controls = self._controls
        assert controls is not None
        if self._keyframes is None:
            return controls
        weights = schedule_weights(self._keyframes, time_s)
        rows = [weights] * controls.weights.shape[0]
        return controls._replace(weights=jnp.asarray(rows, jnp.float32))

    def _encode_styles(self, content: Float[np.ndarray, "h w 3"]) -> list[Style]:
        """Returns the encoded styles; pixels are recolored if the plan says so."""
        shares = np.transpose(self._plan.shares)
        if self._keyframes is not None:  # each may become visible everywhere
            shares = np.ones_like(shares)
        encoded: list[Style] = []
        for style, of_style in zip(self._prepared, shares, strict=True):
            if isinstance(style, Mapping):
                encoded.append(style)
                continue
            colored = color_style(style, content, self._masks, of_style)
            encoded.append(self._encode(colored))
        return encoded


def load_for_video(weights: str) -> tuple[Model, Stylizer]:
    """Returns a model, by its file or name, and its stylizer.

    Raises:
        FileNotFoundError: If there is no such file or name.
        ValueError: If the file is damaged or of another architecture.
    """
    file = load_model(find_model(weights))
    model = build_model(file)
    return model, Stylizer(model, file=file, name=Path(weights).stem)


def _check(
    num_styles: int, plan: Plan, smooth_s: float, keyframes: Keyframes | None
) -> None:
    if not 0.0 <= smooth_s < math.inf:  # so that NaN fails too
        raise ValueError(f"smooth must be finite and at least 0 s, got {smooth_s}")
    if plan.refine:
        raise ValueError(f"refine must be 0 for a video, got {plan.refine}")
    if plan.mask_set is not None and plan.mask_set.need_alpha:
        raise ValueError(
            "the mask 'alpha' is not available for a video, which has no opacity"
        )
    if len(plan.shares[0]) != num_styles:
        raise ValueError(
            f"the number of styles must be {len(plan.shares[0])}, as in the plan, got "
            f"{num_styles}"
        )
    if keyframes is not None:
        schedule_weights(keyframes, 0.0)
        for time_s, weights in keyframes:
            if len(weights) != num_styles:
                raise ValueError(
                    f"the keyframe at {time_s:g} s must have {num_styles} weights, got "
                    f"{len(weights)}"
                )


def schedule_weights(
    keyframes: Sequence[tuple[float, Shares]], t: float
) -> list[float]:
    """Returns the shares of styles at a time, linear between keyframes.

    Args:
        keyframes: Rising times, each with the weights of all styles, which are scaled
            to sum to 1. Weights are constant before the first and after the last
            keyframe.
        t: Time for which the shares are computed.

    Returns:
        Weights that sum to 1.

    Raises:
        ValueError: If there are no keyframes, their times do not rise, or
            `check_weights` refuses the weights.

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
