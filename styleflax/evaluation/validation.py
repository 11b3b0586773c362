"""What validation pictures score in training, as `eval.py` measures it."""

import functools
import logging
from collections.abc import Mapping

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from styleflax.evaluation.metrics.artefacts import Artefacts, detect_artefacts
from styleflax.evaluation.metrics.color import channel_histograms, color_distance
from styleflax.evaluation.metrics.gram import gram_distances, make_gram_matrices
from styleflax.evaluation.metrics.lpips import make_lpips
from styleflax.images.pixels import to_float
from styleflax.methods import controls_of
from styleflax.methods.base import Batch, Method, Variables, plain_controls, stylize
from styleflax.methods.finishing import match_pairs
from styleflax.training.run import Scorer
from styleflax.types import Image, Params

logger = logging.getLogger(__name__)


def make_scorer(method: Method, batch: Batch) -> Scorer:
    """Means over validation pairs of what training shall improve.

    Pictures are made at strength 1, color step included. All values are better the
    lower they are: `gram` (VGG-16; the mean over layers) and `lpips`
    (AlexNet), both only with the extra `eval`; `color`; and by each detector of
    artefacts the share of pictures in which it finds some.

    Args:
        method: As the phase trains it.
        batch: Pairs, {"content", "style"} and perhaps "style_index", uint8.
    """
    contents, styles = to_float(batch["content"]), to_float(batch["style"])
    places = batch.get("style_index", np.arange(len(styles)))
    networks = _make_networks()
    of_styles = [networks.grams(x) for x in styles] if networks else []
    histograms = [channel_histograms(x) for x in styles]

    @jax.jit
    def program(
        variables: Variables, frozen: Params, content: Image, style: Batch
    ) -> Image:
        encoded = method.encode_style(variables, frozen, style)
        image = stylize(method, variables, frozen, content, [encoded], plain_controls())
        if "color_match" in controls_of(method):
            # As the exported model file shows pictures by default.
            image = match_pairs(image, style["image"], strength=1.0)
        return jnp.clip(image, 0.0, 1.0)

    def score(variables: Variables, frozen: Params) -> dict[str, float]:
        rows = []
        for i, (content, style) in enumerate(zip(contents, styles, strict=True)):
            looks = {"image": style[None], "style_index": places[i : i + 1]}
            image = np.asarray(program(variables, frozen, content[None], looks)[0])
            row = _artefacts(image, content, style)
            row["color"] = color_distance(channel_histograms(image), histograms[i])
            if networks:
                row["gram"] = networks.gram(image, of_styles[i])
                row["lpips"] = float(networks.lpips(image, content)[0])
            rows.append(row)
        return {name: float(np.mean([row[name] for row in rows])) for name in rows[0]}

    of_networks = ("gram", "lpips") if networks else ()
    return Scorer((*Artefacts._fields, "color", *of_networks), score)


class _Networks:
    """VGG-16 and AlexNet, which compile once."""

    def __init__(self) -> None:
        self.grams = make_gram_matrices("vgg16")
        self.lpips = make_lpips("alexnet")

    def gram(
        self, image: Float[np.ndarray, "h w 3"], style: Mapping[str, Array]
    ) -> float:
        distances = gram_distances(self.grams(image), style).values()
        return float(np.mean([np.asarray(x)[0] for x in distances]))


@functools.lru_cache(maxsize=1)
def _make_networks() -> _Networks | None:
    try:
        return _Networks()
    except FileNotFoundError as error:
        logger.warning("validation goes without gram and lpips: %s", error)
        return None


def _artefacts(
    image: Float[np.ndarray, "h w 3"],
    content: Float[np.ndarray, "h w 3"],
    style: Float[np.ndarray, "h w 3"],
) -> dict[str, float]:
    found = detect_artefacts(image, content, style)
    return {name: float(each.found) for name, each in found._asdict().items()}
