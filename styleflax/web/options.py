"""The options of a job, parsed from JSON and checked."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from styleflax.inference.controls import ColorMode, ControlArguments
from styleflax.inference.gatys.presets import PRESETS, Init, Settings
from styleflax.inference.masks.read import check_masks, read_mask
from styleflax.web.limits import Limits, RefusedError

Files = Mapping[str, Sequence[Path]]
"""The uploaded files by the name of their part of the form, in order."""
OwnStyles = Mapping[str, Sequence[str]]
_BAD = 400
Place = Annotated[int, Field(ge=0)]
"""Index of a file within its part of the form, starting at 0."""
Label = Annotated[str, Field(pattern=r"^(\d{1,5}|#[0-9a-fA-F]{6}|[a-z]{1,30})$")]


class _Record(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)


class Region(_Record):
    """A region of the photo with its style and strength.

    Attributes:
        mask: Index of a file of the part `mask`, or "alpha", or "rest".
        label: Label that the region has in a label map, a number or a color.
        style: Index of a style of the job, or the shares of all styles.
        alpha: Strength of the style, from 0 to 1.
    """

    mask: Place | Literal["alpha", "rest"]
    label: Place | Label | None = None
    style: Place | list[float] | None = None
    alpha: float = 1.0


class Options(_Record):
    """The options of a job; controls not listed here are those of `ControlArguments`.

    Attributes:
        kind: "picture" (an image by a network), "video", or "gatys" (an image by
            optimization).
        model: Name of a model from `api/info`; unused by "gatys".
        styles: Indices of files of the part `style`, or names of built-in styles.
        shares: Share of every style; named `weights` in `ControlArguments`.
        regions: Masks with their styles and strengths.
        style_masks: Index of a file of the part `style_mask` for every style.
        tile: Side of windows in px, 0 for whole images; see `Stylizer.load`.
        format: File format of the resulting image.
        metadata: Whether the result retains the photo's EXIF data and color profile.
        smooth: Time constant of smoothing in seconds; see `VideoStylizer`.
        steady: Share of the previous result in a frame; see `VideoStylizer`.
        crf: Quality of a video; see `VideoWriter`.
        sound: Whether a video retains its sound.
        keyframes: Times in seconds with the shares of all styles at each.
        preset: Name of optimization settings; see `gatys.presets`.
        iterations: Number of iterations at every level.
        levels: Number of resolution levels.
        init: Initial image of the optimization.
        content_weight: Weight of the content loss; 0 synthesizes a texture.
        style_weight: Weight of the style loss.
        seed: Seed of the initial noise.
    """

    kind: Literal["picture", "video", "gatys"]
    model: str = "adain"
    styles: list[Place | str] | None = None
    shares: list[float] | None = None
    alpha: float = 1.0
    exaggerate: float | None = None
    regions: list[Region] | None = None
    feather: Annotated[float, Field(ge=0, le=1000)] = 0.0
    style_masks: list[Place | None] | None = None
    color: ColorMode = "style"
    color_match: float | None = None
    detail: float | None = None
    level_balance: float | None = None
    size: int | None = None
    restore_size: bool = False
    style_size: int | None = None
    refine: Annotated[int, Field(ge=0)] = 0
    tile: Place | None = None
    format: Literal["png", "jpg", "webp", "tif", "bmp"] = "png"
    metadata: Literal["strip", "keep"] = "strip"
    smooth: float = 0.25
    steady: float = 0.5
    crf: Annotated[int, Field(ge=0, le=51)] | None = None
    sound: bool = True
    keyframes: list[tuple[float, list[float]]] | None = None
    preset: str = "default"
    iterations: Annotated[int, Field(ge=1)] | None = None
    levels: Annotated[int, Field(ge=1, le=6)] | None = None
    init: Init | None = None
    content_weight: Annotated[float, Field(ge=0)] | None = None
    style_weight: Annotated[float, Field(ge=0)] | None = None
    seed: Annotated[int, Field(ge=0, lt=2**32)] = 0


def read_options(text: bytes) -> Options:
    """Returns the options of a job, parsed from JSON.

    Raises:
        RefusedError: If the text is not JSON, or an option is unknown or has a wrong
            value; the error names the option.
    """
    try:
        return Options.model_validate_json(text)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False)[0]
        place = ".".join(str(part) for part in first["loc"])
        given = "" if first["type"] == "json_invalid" else f", got {first['input']!r}"
        where = f"options.{place}" if place else "options"
        text_ = f"{where}: {first['msg'][:1].lower()}{first['msg'][1:]}{given[:80]}"
        raise RefusedError(_BAD, " ".join(text_.split())) from None


def requested_styles(options: Options, files: Files) -> list[Path | str]:
    """Returns the styles of a job: uploaded files or names of built-in styles.

    Raises:
        RefusedError: If an index has no file.
    """
    uploaded = files.get("style", ())
    if options.styles is None:
        return list(uploaded)
    return [
        style if isinstance(style, str) else _file(uploaded, style, "style")
        for style in options.styles
    ]


def check_request(
    options: Options, files: Files, own_styles: OwnStyles, limits: Limits
) -> None:
    """Refuses a job that is impossible, as far as its form shows.

    Args:
        options: The options of the job.
        files: The uploaded files.
        own_styles: Names of the built-in styles of every offered model. No other text
            may name a style, because the library would take it for a path.
        limits: Limits on styles and iterations.

    Raises:
        RefusedError: If a file is missing, a name is unknown or a number is too large.
    """
    if len(files.get("content", ())) != 1:
        raise RefusedError(_BAD, "the part content must be one photo or video")
    if options.kind != "gatys" and options.model not in own_styles:
        raise RefusedError(
            _BAD, f"model must be one of {', '.join(own_styles)}, got {options.model!r}"
        )
    styles = requested_styles(options, files)
    _check_names(options, styles, own_styles)
    if len(styles) > limits.max_styles:
        raise RefusedError(
            _BAD, f"styles must be at most {limits.max_styles}, got {len(styles)}"
        )
    together = options.shares or options.regions or options.keyframes
    if len(styles) > 1 and not together:
        raise RefusedError(
            _BAD,
            f"{len(styles)} styles need shares, regions or keyframes to combine them",
        )
    number = max(options.refine, options.iterations or 0)
    if number > limits.max_iterations:
        raise RefusedError(
            _BAD,
            f"refine and iterations must be at most {limits.max_iterations}, got "
            f"{number}",
        )
    if options.preset not in PRESETS:
        raise RefusedError(
            _BAD, f"preset must be one of {', '.join(PRESETS)}, got {options.preset!r}"
        )
    masks = [region.mask for region in options.regions or ()]
    for part, places in (("mask", masks), ("style_mask", options.style_masks or ())):
        for place in places:
            if isinstance(place, int):
                _file(files.get(part, ()), place, part)


def read_controls(
    options: Options, files: Files, max_megapixels: float
) -> ControlArguments:
    """Returns the control arguments of a stylizer, after reading all masks.

    Args:
        options: The options of the job.
        files: The uploaded files.
        max_megapixels: Largest size of a mask.

    Raises:
        ValueError: If a mask cannot be read, or not every region has a style.
    """
    controls: ControlArguments = {
        "alpha": options.alpha,
        "exaggerate": options.exaggerate,
        "weights": options.shares,
        "color": options.color,
        "size": options.size,
        "restore_size": options.restore_size,
        "style_size": options.style_size,
        "level_balance": options.level_balance,
        "color_match": options.color_match,
        "detail": options.detail,
        "refine": options.refine,
    }
    if options.keyframes:
        controls["weights"] = options.keyframes[0][1]
    if options.regions:
        masks = [_mask(region, files) for region in options.regions]
        controls["masks"] = check_masks(masks, options.feather, max_megapixels)
        controls["region_alphas"] = [region.alpha for region in options.regions]
        styles = [region.style for region in options.regions]
        region_styles = [style for style in styles if style is not None]
        if region_styles and len(region_styles) < len(styles):
            raise ValueError("give a style to every region, or to none")
        controls["region_styles"] = region_styles or None
    if options.style_masks:
        parts = files.get("style_mask", ())
        controls["style_masks"] = [
            None
            if place is None
            else read_mask(parts[place], f"style_mask {place}", max_megapixels)
            for place in options.style_masks
        ]
    return controls


def gatys_settings(options: Options) -> Settings:
    """Returns the settings of optimization: a preset, changed by the options."""
    settings = PRESETS[options.preset]
    weights: dict[str, Any] = {
        "content_weight": options.content_weight,
        "style_weight": options.style_weight,
    }
    changes = {name: weight for name, weight in weights.items() if weight is not None}
    settings = settings._replace(objective=settings.objective._replace(**changes))
    if options.levels is not None:
        first = settings.iterations[:1]
        settings = settings._replace(levels=options.levels, iterations=first)
    if options.iterations is not None:
        settings = settings._replace(iterations=(options.iterations,))
    objective = settings.objective
    init = options.init
    if not (objective.content_weight and objective.style_weight):
        init = init or "noise"
    return settings if init is None else settings._replace(init=init)


def _check_names(
    options: Options, styles: Sequence[Path | str], own_styles: OwnStyles
) -> None:
    known = () if options.kind == "gatys" else own_styles[options.model]
    for style in styles:
        if isinstance(style, str) and style not in known:
            allowed = f"one of {', '.join(known)}" if known else "an image"
            raise RefusedError(_BAD, f"a style must be {allowed}, got {style[:80]!r}")


def _mask(region: Region, files: Files) -> str | Path:
    if isinstance(region.mask, str):
        return region.mask
    path = files.get("mask", ())[region.mask]
    return path if region.label is None else f"{path}[{region.label}]"


def _file(files: Sequence[Path], place: int, part: str) -> Path:
    if place >= len(files):
        raise RefusedError(
            _BAD, f"the part {part} has {len(files)} files, but none with index {place}"
        )
    return files[place]
