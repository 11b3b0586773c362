"""The systems to score: models, optimization, baselines, outputs of other programs."""

import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import jax
import numpy as np
from jaxtyping import Float, UInt8
from PIL import Image as PillowImage
from PIL.Image import Resampling

from styleflax import methods
from styleflax.evaluation.inputs import BoundedCache, Input
from styleflax.evaluation.measure import peak_memory
from styleflax.files import short_stem
from styleflax.images.files import load_image_u8, to_float, to_u8
from styleflax.images.listing import list_images
from styleflax.inference.contents import StylePixels
from styleflax.inference.gatys import PRESETS, Settings, make_gatys
from styleflax.inference.gatys.pictures import load_gatys_encoder
from styleflax.inference.stylizer import Stylizer
from styleflax.methods.base import Style, Variables
from styleflax.methods.model import Model, read_arithmetic
from styleflax.ops.color import coral_recolor
from styleflax.weights.store import ModelFile, find_model, load_model, model_digest

PATTERNS = ("{content}__{style}", "{content}-{style}", "{content}_stylized_{style}")
"""Accepted names of the result of a pair, without suffix. The last one is that of
test.py in naoto0804/pytorch-AdaIN."""

_MAX_NAMES = 3
_MAX_STRETCH = 1.02

PairNames = tuple[str, str]


def parse_outputs(text: str) -> tuple[str, Path]:
    """Returns the name and the folder of "NAME:DIR".

    Raises:
        ValueError: If the text has another form, or the name cannot name a folder.
    """
    name, colon, folder = text.partition(":")
    if not (colon and name and folder):
        raise ValueError(f"outputs must be given as NAME:DIR, got {text!r}")
    if name.startswith(".") or set(name) & set("/\\"):
        raise ValueError(
            f"outputs must have a name without slashes and leading dots, got {name!r}"
        )
    return name, Path(folder)


def find_outputs(
    name: str, folder: Path, pairs: Sequence[PairNames]
) -> dict[PairNames, Path]:
    """Returns the file of every pair of names (content, style).

    Args:
        name: Name of the outputs in errors.
        folder: Folder to search recursively; other files in it are ignored.
        pairs: Names of contents and styles, without suffixes.

    Raises:
        FileNotFoundError: If there is no such folder.
        ValueError: If a pair has no file or several, or a file matches several pairs.
    """
    by_stem: dict[str, list[Path]] = defaultdict(list)
    for path in list_images(folder):
        by_stem[path.stem].append(path)
    found: dict[PairNames, list[Path]] = {}
    for content, style in pairs:
        stems = dict.fromkeys(p.format(content=content, style=style) for p in PATTERNS)
        found[content, style] = [p for stem in stems for p in by_stem.get(stem, ())]
    missing = [f"{c}__{s}" for (c, s), paths in found.items() if not paths]
    if missing:
        raise ValueError(
            f"outputs {name}: {folder} lacks {len(missing)} of {len(pairs)} pictures, "
            f"such as {_some(missing)}; names that count are "
            f"{', '.join(p.format(content='CONTENT', style='STYLE') for p in PATTERNS)}"
        )
    several = [_some(map(str, paths)) for paths in found.values() if len(paths) > 1]
    if several:
        raise ValueError(
            f"outputs {name}: {len(several)} pairs have several pictures, such as "
            f"{several[0]}"
        )
    owners: dict[Path, list[PairNames]] = defaultdict(list)
    for pair, (path,) in found.items():
        owners[path].append(pair)
    for path, of_pairs in owners.items():
        if len(of_pairs) > 1:
            readings = " and ".join(f"({c}, {s})" for c, s in of_pairs)
            raise ValueError(
                f"outputs {name}: {path} may be that of {readings}; "
                "call it CONTENT__STYLE"
            )
    return {pair: paths[0] for pair, paths in found.items()}


def _some(names: Iterable[str]) -> str:
    listed = list(names)
    more = " and others" if len(listed) > _MAX_NAMES else ""
    return ", ".join(listed[:_MAX_NAMES]) + more


def load_output_u8(path: Path, size_px: int) -> UInt8[np.ndarray, "h w 3"]:
    """Returns an output at the size of the evaluation, resized by Lanczos if needed.

    Raises:
        ValueError: If the file is damaged, or the image is not square, which means that
            it was not made from the center squares of the inputs.
    """
    image_u8 = load_image_u8(path)
    height, width = image_u8.shape[:2]
    if max(height, width) > _MAX_STRETCH * min(height, width):
        raise ValueError(
            f"{path} has {width}x{height} px; outputs must be square, made from the "
            "center squares of the inputs"
        )
    if (height, width) == (size_px, size_px):
        return image_u8
    picture = PillowImage.fromarray(image_u8)
    return np.asarray(picture.resize((size_px, size_px), Resampling.LANCZOS))


BASELINES = ("content", "style", "coral")
"""The unchanged content, the unchanged style, the content in the style's colors."""

LOSS_TERMS = ("content", "style")

_MAX_STYLES = 64  # SANet keeps 10 MB of each at 512 px


class SystemResult(NamedTuple):
    """One image of a system.

    Attributes:
        picture: RGB in [0, 1], in steps of 1/255 as in a file.
        values: Values that the system itself measured, by metric.
        source: Path of an existing file, absolute or relative to the evaluation's
            folder; None for a new image.
    """

    picture: Float[np.ndarray, "h w 3"]
    values: dict[str, float]
    source: Path | None = None


class System(NamedTuple):
    """A system that makes an image of a content and a style.

    Attributes:
        name: Its name in rows and in the report.
        alphas: Strengths at which it is scored; (None,) if it has no strength.
        make: Function of content, style and strength that returns the image.
        identity: Whether contents stylized with themselves are scored, too.
        styles: Names of its built-in styles; None if it accepts any painting.
    """

    name: str
    alphas: tuple[float | None, ...]
    make: Callable[[Input, Input, float | None], SystemResult]
    identity: bool = False
    styles: frozenset[str] | None = None

    def takes(self, style: Input) -> bool:
        """Returns whether it is scored on pairs with this style."""
        return self.styles is None or style.name in self.styles


def square_path(role: str, name: str) -> Path:
    """Returns the path of an input's square in the folder of an evaluation."""
    return Path("inputs", role, f"{short_stem(name)}.png")


def make_baselines() -> list[System]:
    """Returns the systems of `BASELINES`."""
    recolor = jax.jit(coral_recolor)

    def content(content: Input, _style: Input, _: float | None) -> SystemResult:
        return SystemResult(content.picture, {}, square_path("content", content.name))

    def style(_content: Input, style: Input, _: float | None) -> SystemResult:
        return SystemResult(style.picture, {}, square_path("style", style.name))

    def coral(content: Input, style: Input, _: float | None) -> SystemResult:
        picture = recolor(content.picture[None], style.picture[None])
        return SystemResult(_as_stored(picture[0]), {})

    makers = (content, style, coral)
    return [System(n, (None,), f) for n, f in zip(BASELINES, makers, strict=True)]


def make_outputs_system(
    name: str, files: Mapping[PairNames, Path], size_px: int
) -> System:
    """Returns the system of images that another program made.

    Args:
        name: Name of the system.
        files: Files by the names of content and style; see `find_outputs`.
        size_px: Side to which images of another size are resized.
    """

    def make(content: Input, style: Input, _: float | None) -> SystemResult:
        path = files[content.name, style.name]
        return SystemResult(
            to_float(load_output_u8(path, size_px)), {}, path.absolute()
        )

    return System(name, (None,), make)


def make_model_system(
    name: str, file: ModelFile, model: Model, alphas: Sequence[float]
) -> System:
    """Returns the system of a model at some strengths, with the defaults of its file.

    Strength 0 is measured without detail: it is the reconstruction by encoder and
    decoder.

    Its values are `seconds` per image, without encoding the style and compiling;
    `peak_mb`; and, at strength 1, its training losses `content_loss` and `style_loss`.
    A model with built-in styles has neither strengths nor these losses, and is scored
    on the paintings whose names are among its styles. A file without the network that
    judged its training (`lite`) has no losses either.

    Args:
        name: Name of the system.
        file: The model file.
        model: The model built from it.
        alphas: Strengths in [0, 1].
    """
    stylizer = Stylizer(model, tile_px=0, file=file)
    own_styles = frozenset(model.method.styles)
    judged = not own_styles and bool(file.encoder_params)
    losses = make_training_losses(file) if judged else None
    encoded: BoundedCache[Style] = BoundedCache(_MAX_STYLES)
    warm: set[float] = set()

    def encode(style: Input) -> Style:
        if own_styles:
            return stylizer.encode_style(style.name)
        # Passed as an array, because `Stylizer` shrinks files above 512 px.
        return stylizer.encode_style(StylePixels(style.picture))

    def make(content: Input, style: Input, strength: float | None) -> SystemResult:
        alpha = 1.0 if strength is None else strength
        encoded_style = encoded.get(style.digest, lambda: encode(style))
        encoded_style = jax.block_until_ready(encoded_style)
        picture = content.picture
        # Strength 0 would be the photo, which is among the baselines.
        detail = 0.0 if alpha == 0.0 else None
        if alpha not in warm:  # they have programs of their own
            stylizer(picture, encoded_style, alpha=alpha, detail=detail)
            warm.add(alpha)
        with peak_memory() as peak:
            start = time.perf_counter()
            image = stylizer(picture, encoded_style, alpha=alpha, detail=detail).array
            values = {"seconds": time.perf_counter() - start}
        if peak.megabytes is not None:
            values["peak_mb"] = peak.megabytes
        if losses is not None and alpha == 1.0 and style is not content:
            values |= losses(picture, style.picture)
        return SystemResult(_as_stored(image), values)

    if own_styles:
        return System(name, (None,), make, styles=own_styles)
    return System(name, tuple(alphas), make, identity=True)


def make_training_losses(
    file: ModelFile,
) -> Callable[[np.ndarray, np.ndarray], dict[str, float]]:
    """Returns `losses(content, style)`, the method's own training losses by name.

    They are computed at strength 1, before the result is clipped and rounded.
    """
    terms = dict.fromkeys(LOSS_TERMS, 1.0)
    method = methods.build(
        file.method, losses=terms, arithmetic=read_arithmetic(file), **file.options
    )
    variables = jax.device_put(Variables(file.players, file.state))
    frozen = jax.device_put({"encoder": file.encoder_params})

    @jax.jit
    def program(variables, frozen, batch, key):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
        own = variables.players["model"]
        _, (metrics, _) = method.losses["model"](own, variables, frozen, batch, key)
        return {f"{term}_loss": metrics[f"{term}_loss"] for term in LOSS_TERMS}

    key = jax.random.key(0)

    def losses(content: np.ndarray, style: np.ndarray) -> dict[str, float]:
        batch = {"content": content[None], "style": style[None]}
        found = jax.device_get(program(variables, frozen, batch, key))
        return {name: float(value) for name, value in found.items()}

    return losses


def _as_stored(picture: np.ndarray | jax.Array) -> Float[np.ndarray, "h w 3"]:
    return to_float(to_u8(np.asarray(picture)))


ENCODER = "sanet"


def make_gatys_system(
    iterations: int, settings: Settings = PRESETS["default"], encoder: str = ENCODER
) -> System:
    """Returns the system `gatys-ITERATIONS`; its value is `seconds` per image.

    Args:
        iterations: Number of iterations per image; the time of the first image includes
            compiling.
        settings: Other settings; their own number of iterations is ignored.
        encoder: Name or file of an encoder, as for `load_encoder`.

    Raises:
        ValueError: If there are no iterations.
    """
    if iterations < 1:
        raise ValueError(f"gatys must be at least 1 iteration, got {iterations}")
    settings = settings._replace(iterations=(iterations,))
    params = load_gatys_encoder(encoder, settings.objective.layers())
    gatys = make_gatys(params, settings)

    def make(content: Input, style: Input, _: float | None) -> SystemResult:
        start = time.perf_counter()
        result = gatys(content.picture, [style.picture])
        values = {"seconds": time.perf_counter() - start}
        return SystemResult(to_float(to_u8(result.image)), values)

    return System(f"gatys-{iterations}", (None,), make)


def describe_gatys(iterations: Sequence[int]) -> dict[str, str]:
    """Returns descriptions of these systems by name, for `rows.open_folder`."""
    file = load_model(find_model(ENCODER))
    encoder = model_digest(file._replace(players={}, state={}, provenance={}))
    return {f"gatys-{n}": f"{PRESETS['default']} {encoder}" for n in iterations}
