"""What is scored: models, optimized pixels, baselines, other programs' outputs."""

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
from styleflax.evaluation.inputs import FirstKept, Input
from styleflax.evaluation.measure import peak_memory
from styleflax.files import short_stem
from styleflax.images.files import load_image_u8, to_float, to_u8
from styleflax.images.listing import list_images
from styleflax.inference.contents import StylePixels
from styleflax.inference.gatys import PRESETS, Settings, make_gatys
from styleflax.inference.gatys.pictures import load_gatys_encoder
from styleflax.inference.model import Model, read_arithmetic
from styleflax.inference.stylizer import Stylizer
from styleflax.methods.base import Style, Variables
from styleflax.ops.color import coral_recolor
from styleflax.weights.model_files import find_model
from styleflax.weights.store import ModelFile, load_model, model_digest

PATTERNS = ("{content}__{style}", "{content}-{style}", "{content}_stylized_{style}")
"""Names of the picture of a pair, without suffix. The last one is what test.py of
naoto0804/pytorch-AdaIN writes."""

_MAX_NAMES = 3
_MAX_STRETCH = 1.02

PairNames = tuple[str, str]


def parse_outputs(text: str) -> tuple[str, Path]:
    """Returns the name and the folder of "NAME:DIR".

    Raises:
        ValueError: If it is not of that form, or the name cannot be a folder's.
    """
    name, colon, folder = text.partition(":")
    if not (colon and name and folder):
        raise ValueError(f"outputs must be given as NAME:DIR, got {text!r}")
    if name.startswith(".") or set(name) & set("/\\"):
        raise ValueError(f"outputs cannot be called {name!r}: no dot first, no slash")
    return name, Path(folder)


def find_outputs(
    name: str, folder: Path, pairs: Sequence[PairNames]
) -> dict[PairNames, Path]:
    """Returns the picture of every pair of names (content, style).

    Args:
        name: What to call the outputs in an error.
        folder: Searched recursively; what belongs to no pair is left alone.
        pairs: Without suffixes.

    Raises:
        FileNotFoundError: If there is no such folder.
        ValueError: If pairs have no file or several, or a file serves several
            pairs.
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
        ValueError: If the file is damaged, or its picture is no square: then it was
            made from other inputs than the squares.
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
"""The content as it is, the style as it is, the content in the style's colors."""

LOSS_TERMS = ("content", "style")

_MAX_STYLES = 64  # SANet keeps 10 MB of each at 512 px


class Made(NamedTuple):
    """One picture of a system.

    Attributes:
        picture: RGB in [0, 1], in steps of 1/255: exactly what a file holds.
        values: What only its maker can tell, by metric.
        source: Where it lies already, relative to the evaluation's folder or
            absolute; None for a new picture.
    """

    picture: Float[np.ndarray, "h w 3"]
    values: dict[str, float]
    source: Path | None = None


class System(NamedTuple):
    """A maker of pictures from pairs.

    Attributes:
        name: As in rows and in the report.
        alphas: Strengths at which it is scored; (None,) where it has none.
        make: From content, style and strength.
        identity: Whether contents as their own styles are scored, too.
        styles: Names of the only styles that it has; None if it takes any.
    """

    name: str
    alphas: tuple[float | None, ...]
    make: Callable[[Input, Input, float | None], Made]
    identity: bool = False
    styles: frozenset[str] | None = None

    def takes(self, style: Input) -> bool:
        """Whether it is scored on pairs of that style."""
        return self.styles is None or style.name in self.styles


def square_path(role: str, name: str) -> Path:
    """Returns where the folder of an evaluation keeps an input's square."""
    return Path("inputs", role, f"{short_stem(name)}.png")


def make_baselines() -> list[System]:
    """Returns the systems that `BASELINES` names."""
    recolor = jax.jit(coral_recolor)

    def content(content: Input, _style: Input, _: float | None) -> Made:
        return Made(content.picture, {}, square_path("content", content.name))

    def style(_content: Input, style: Input, _: float | None) -> Made:
        return Made(style.picture, {}, square_path("style", style.name))

    def coral(content: Input, style: Input, _: float | None) -> Made:
        picture = recolor(content.picture[None], style.picture[None])
        return Made(_as_stored(picture[0]), {})

    makers = (content, style, coral)
    return [System(n, (None,), f) for n, f in zip(BASELINES, makers, strict=True)]


def make_outputs_system(
    name: str, files: Mapping[PairNames, Path], size_px: int
) -> System:
    """Returns the system of pictures that another program made.

    Args:
        name: What to call it.
        files: By the names of content and style; see `find_outputs`.
        size_px: Side to which pictures of another size are resized.
    """

    def make(content: Input, style: Input, _: float | None) -> Made:
        path = files[content.name, style.name]
        return Made(to_float(load_output_u8(path, size_px)), {}, path.absolute())

    return System(name, (None,), make)


def make_model_system(
    name: str, file: ModelFile, model: Model, alphas: Sequence[float]
) -> System:
    """Returns a model at some strengths, with the defaults that its file has.

    Strength 0 is without detail: what encoder and decoder make of a content.

    Its values are `seconds` for a picture whose style is encoded, without the time
    of compiling; `peak_mb`; and, at strength 1, where the model was trained, its
    `content_loss` and `style_loss`. A model with styles of its own has neither
    strengths nor these losses, and is scored on the styles that are called like one
    of its own. A file without the network that judged its training (`lite`) has no
    losses either.

    Args:
        name: What to call it.
        file: As loaded.
        model: Built of it.
        alphas: In [0, 1].
    """
    stylizer = Stylizer(model, tile_px=0, file=file)
    own_styles = frozenset(model.method.styles)
    judged = not own_styles and bool(file.encoder_params)
    losses = make_training_losses(file) if judged else None
    encoded: FirstKept[Style] = FirstKept(_MAX_STYLES)
    warm: set[float] = set()

    def encode(style: Input) -> Style:
        if own_styles:
            return stylizer.encode_style(style.name)
        # Seen as it is: pictures from files are shrunk if they are above 512 px.
        return stylizer.encode_style(StylePixels(style.picture))

    def make(content: Input, style: Input, strength: float | None) -> Made:
        alpha = 1.0 if strength is None else strength
        kept = encoded.get(style.digest, lambda: encode(style))
        kept = jax.block_until_ready(kept)
        picture = content.picture
        # Strength 0 would be the photo, which is among the baselines.
        detail = 0.0 if alpha == 0.0 else None
        if alpha not in warm:  # they have programs of their own
            stylizer(picture, kept, alpha=alpha, detail=detail)
            warm.add(alpha)
        with peak_memory() as peak:
            start = time.perf_counter()
            made = stylizer(picture, kept, alpha=alpha, detail=detail).array
            values = {"seconds": time.perf_counter() - start}
        if peak.megabytes is not None:
            values["peak_mb"] = peak.megabytes
        if losses is not None and alpha == 1.0 and style is not content:
            values |= losses(picture, style.picture)
        return Made(_as_stored(made), values)

    if own_styles:
        return System(name, (None,), make, styles=own_styles)
    return System(name, tuple(alphas), make, identity=True)


def make_training_losses(
    file: ModelFile,
) -> Callable[[np.ndarray, np.ndarray], dict[str, float]]:
    """Returns `losses(content, style)`, by the method's own training loss.

    They are of the picture at strength 1, before it is cut to [0, 1] and rounded.
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
    """Returns the system `gatys-ITERATIONS`; its value is `seconds` for a picture.

    Args:
        iterations: For each picture; in the seconds of the first is its compiling.
        settings: The rest; their own iterations do not count.
        encoder: As for `load_encoder`.

    Raises:
        ValueError: If there are no iterations.
    """
    if iterations < 1:
        raise ValueError(f"gatys must be 1 iteration or more, got {iterations}")
    settings = settings._replace(iterations=(iterations,))
    params = load_gatys_encoder(encoder, settings.objective.layers())
    gatys = make_gatys(params, settings)

    def make(content: Input, style: Input, _: float | None) -> Made:
        start = time.perf_counter()
        made = gatys(content.picture, [style.picture])
        values = {"seconds": time.perf_counter() - start}
        return Made(to_float(to_u8(made.image)), values)

    return System(f"gatys-{iterations}", (None,), make)


def describe_gatys(iterations: Sequence[int]) -> dict[str, str]:
    """What tells one of these systems from another, by name; for `rows.open_folder`."""
    file = load_model(find_model(ENCODER))
    encoder = model_digest(file._replace(players={}, state={}, provenance={}))
    return {f"gatys-{n}": f"{PRESETS['default']} {encoder}" for n in iterations}
