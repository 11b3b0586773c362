"""Content and style loss of images from any source, measured in the same way.

The ruler is that of AdaIN's training (Huang and Belongie 2017), with the content's
own features as the target of all systems; Gram matrices are its second scale.
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from styleflax.evaluation.metrics.pictures import check_pair, check_pictures
from styleflax.losses.content import mse_loss
from styleflax.losses.style import gram_loss, mean_std_loss
from styleflax.models.vgg import VGG
from styleflax.ops.statistics import channel_mean_std, gram_matrix
from styleflax.types import Params
from styleflax.weights.encoder import load_encoder

CONTENT_LAYER = "relu4_1"
STYLE_LAYERS = ("relu1_1", "relu2_1", "relu3_1", "relu4_1")
SCALES = ("content", "mean_std", "gram")

Measure = Callable[..., dict[str, Float[np.ndarray, " b"]]]


def make_ruler(encoder: Params | None = None) -> Measure:
    """Returns `measure(pictures, contents, styles)`: `SCALES`, a value per picture.

    `content` is the mean squared distance to the content's features at relu4_1,
    `mean_std` AdaIN's style loss at relu1_1 to relu4_1 (means over channels, summed
    over layers), `gram` the relative distance of Gram matrices there, summed. All are
    0 at best. Pictures and contents are of one size; each size compiles once.

    Args:
        encoder: Parameters of a VGG down to relu4_1; None for those that the
            package's AdaIN was trained on.

    Raises:
        ValueError: If pictures have other shapes than asked for.
    """
    params = load_encoder("adain").params if encoder is None else encoder
    # One after the other, so that memory is that of one.
    program = jax.jit(
        lambda params, *images: jax.lax.map(lambda one: _of_one(params, *one), images)
    )

    def measure(
        pictures: Array | np.ndarray,
        contents: Array | np.ndarray,
        styles: Array | np.ndarray,
    ) -> dict[str, Float[np.ndarray, " b"]]:
        made, wanted = check_pair("pictures", pictures, "contents", contents)
        painted = check_pictures("styles", styles)
        if len(painted) != len(made):
            raise ValueError(
                f"there must be one style per picture, got {len(painted)} for "
                f"{len(made)}"
            )
        found = program(params, *(jnp.asarray(x) for x in (made, wanted, painted)))
        return {name: np.asarray(found[name]) for name in SCALES}

    return measure


def _of_one(
    params: Params, picture: Array, content: Array, style: Array
) -> dict[str, Float[Array, ""]]:
    """The scales for a picture, its content and its style; (h, w, 3) each."""
    network = VGG.of_params(params, STYLE_LAYERS)
    features, wanted, painted = (
        network.apply({"params": params}, image[None])
        for image in (picture, content, style)
    )
    of_layers = [(features[layer], x) for layer, x in painted.items()]
    distances = (
        mse_loss(features[CONTENT_LAYER], wanted[CONTENT_LAYER]),
        jnp.stack([mean_std_loss(x, channel_mean_std(y)) for x, y in of_layers]).sum(),
        jnp.stack([gram_loss(x, gram_matrix(y)) for x, y in of_layers]).sum(),
    )
    return dict(zip(SCALES, distances, strict=True))
