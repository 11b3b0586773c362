"""Losses and pictures of model files over all pairs of contents and styles."""

import itertools
import json
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

import jax
import numpy as np
from jaxtyping import Array, Float
from tqdm import tqdm

from styleflax import methods
from styleflax.data.grids import image_grid
from styleflax.data.images import load_image_u8, resize_short_side, save_image
from styleflax.data.listing import list_images
from styleflax.data.pixels import to_float
from styleflax.inference.checks import check_alpha, check_size
from styleflax.inference.model import build_model, read_arithmetic
from styleflax.inference.stylizer import Stylizer
from styleflax.methods.base import Variables
from styleflax.parallel import local_devices, map_rows
from styleflax.types import Image, Params
from styleflax.weights.packaged_models import find_model
from styleflax.weights.store import ModelFile, load_model

TERMS = ("content", "style")


class Pair(NamedTuple):
    """One stylization and its losses, at strength 1 as in training."""

    weights: str
    content: str
    style: str
    content_loss: float
    style_loss: float


def evaluate(
    weights: Sequence[str],
    content_folder: Path,
    style_folder: Path,
    out: Path,
    *,
    size_px: int = 256,
    alpha: float = 1.0,
) -> list[Pair]:
    """Scores every pair and writes `losses.json` and a contact sheet per model.

    Pictures are centre crops of `size_px` after resizing their short side to
    it, so that each program is compiled once.

    Args:
        weights: Names or model files.
        content_folder: Searched recursively for pictures.
        style_folder: The same.
        out: Folder for the results; made if missing.
        size_px: Side of the square pictures.
        alpha: Strength of the pictures in the contact sheet.

    Raises:
        FileNotFoundError: If a folder or a model file is not there.
        ValueError: If a folder holds no picture, or a number is out of range.
    """
    check_alpha(alpha)
    check_size(size_px)
    paths = list(dict.fromkeys(find_model(name) for name in weights))
    files = [load_model(path) for path in paths]
    models = [build_model(file) for file in files]  # refuses what does not fit
    names = _distinct([(path.stem, path.absolute().parent.name) for path in paths])
    contents = load_squares(content_folder, size_px)
    styles = load_squares(style_folder, size_px)
    out.mkdir(parents=True, exist_ok=True)
    pairs = []
    for name, file, model in zip(names, files, models, strict=True):
        pairs += score(name, file, contents, styles)
        sheet = contact_sheet(Stylizer(model), contents, styles, alpha)
        save_image(sheet, out / f"{name}.png")
    text = json.dumps([pair._asdict() for pair in pairs], indent=2)
    (out / "losses.json").write_text(text + "\n", "utf-8")
    return pairs


def load_squares(folder: Path, size_px: int) -> dict[str, Float[np.ndarray, "h w 3"]]:
    """Centre crops of all pictures of a folder, by file name without suffix.

    Where pictures share it, the folder's name and a number tell them apart.

    Raises:
        FileNotFoundError: If there is no such folder.
        ValueError: If it holds no picture, or a file is damaged.
    """
    paths = list_images(folder)
    if not paths:
        raise ValueError(f"{folder} holds no picture")
    squares = {}
    names = _distinct([(path.stem, path.parent.name) for path in paths])
    for name, path in zip(names, paths, strict=True):
        image = np.asarray(resize_short_side(load_image_u8(path), size_px))
        top, left = ((side - size_px) // 2 for side in image.shape[:2])
        square = image[top : top + size_px, left : left + size_px]
        squares[name] = to_float(square)
    return squares


def score(
    name: str,
    file: ModelFile,
    contents: dict[str, np.ndarray],
    styles: dict[str, np.ndarray],
) -> list[Pair]:
    """Content and style loss of every pair, as the model's training computes them."""
    method = methods.build(
        file.method,
        losses=dict.fromkeys(TERMS, 1.0),
        arithmetic=read_arithmetic(file),
    )

    def losses(
        constants: tuple[Variables, Params], key: Array, pair: dict[str, Image]
    ) -> dict[str, Float[Array, " 1"]]:
        variables, frozen = constants
        own = variables.players["model"]
        _, (metrics, _) = method.losses["model"](own, variables, frozen, pair, key)
        return {term: metrics[f"{term}_loss"][None] for term in TERMS}

    variables = jax.device_put(Variables(file.players, file.state))
    frozen = jax.device_put({"encoder": file.encoder_params})
    devices = local_devices()
    # The losses are means over a batch, so every device takes one pair at a time.
    run = map_rows(losses, (variables, frozen), devices)
    pairs = [(c, s) for c in contents for s in styles]
    scored = []
    with tqdm(total=len(pairs), desc=name, unit="pair", disable=None) as bar:
        for start in range(0, len(pairs), len(devices)):
            group = pairs[start : start + len(devices)]
            images = {
                "content": np.stack([contents[c] for c, _ in group]),
                "style": np.stack([styles[s] for _, s in group]),
            }
            values = jax.device_get(run(jax.random.key(0), images))
            for i, (c, s) in enumerate(group):
                losses_of_pair = (float(values[term][i]) for term in TERMS)
                scored.append(Pair(name, c, s, *losses_of_pair))
            bar.update(len(group))
    return scored


def contact_sheet(
    stylizer: Stylizer,
    contents: dict[str, np.ndarray],
    styles: dict[str, np.ndarray],
    alpha: float = 1.0,
) -> np.ndarray:
    """Contents down the left side, styles along the top, stylizations between."""
    encoded = [stylizer.encode_style(style) for style in styles.values()]
    rows: list[list[np.ndarray | None]] = [[None, *styles.values()]]
    pictures, count = list(contents.values()), stylizer.num_devices
    starts = range(0, len(pictures), count)
    for start in tqdm(starts, desc="sheet", unit="row", disable=None):
        group = np.stack(pictures[start : start + count])
        made = [stylizer(group, style, alpha=alpha).array for style in encoded]
        rows += [[row[0], *row[1:]] for row in zip(group, *made, strict=True)]
    captions = [["", *styles], *([name] for name in contents)]
    return image_grid(rows, captions=captions, cell_px=192)


def _distinct(names: Sequence[tuple[str, str]]) -> list[str]:
    """Names from (stem, folder): the stem where that is enough, each name once."""
    count = Counter(stem for stem, _ in names)
    distinct: list[str] = []
    for stem, folder in names:
        name = stem if count[stem] == 1 else f"{folder}_{stem}"
        numbered = (f"{name}-{i}" for i in itertools.count(2))
        while name in distinct:
            name = next(numbered)
        distinct.append(name)
    return distinct


def mean_losses(pairs: Iterable[Pair]) -> dict[str, tuple[float, float, int]]:
    """Mean content loss, mean style loss and number of pairs, by weights."""
    by_weights: dict[str, list[Pair]] = {}
    for pair in pairs:
        by_weights.setdefault(pair.weights, []).append(pair)
    return {
        name: (
            float(np.mean([p.content_loss for p in group])),
            float(np.mean([p.style_loss for p in group])),
            len(group),
        )
        for name, group in by_weights.items()
    }
