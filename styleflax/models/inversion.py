"""A decoder that undoes its encoder, fitted layer by layer without gradients."""

from collections.abc import Iterable, Sequence

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from styleflax.models.vgg import DECODER_LAYERS, UPSAMPLED, VGG, ReflectConv
from styleflax.ops.conv import max_pool_ceil
from styleflax.types import Image, Params

_OFFSETS = tuple((row, column) for row in range(3) for column in range(3))


def invert_encoder(
    encoder_params: Params,
    images: Image,
    *,
    num_rows: int = 32_768,
    ridge: float = 1e-3,
    batch_size: int = 8,
) -> Params:
    """Returns parameters of a `Decoder` that reconstructs images from their relu4_1.

    Each convolution in turn is fitted by ridge regression: from the features that the
    decoder computes so far to the input of the encoder's convolution of the same name.
    There is no gradient descent, so fitting takes as long as some tens of training
    steps. Reconstructions have the right colors and shapes but are slightly blurred;
    training can start from them.

    Args:
        encoder_params: Parameters of a VGG up to relu4_1 or deeper.
        images: Pictures to fit to; their sides are multiples of 8.
        num_rows: Largest number of positions used for each layer, sampled from all.
        ridge: Value added to the diagonal of the normal equations, relative to its
            mean.
        batch_size: Images encoded at a time.

    Raises:
        ValueError: If a side of the images is not a multiple of 8.
    """
    if images.shape[1] % 8 or images.shape[2] % 8:
        raise ValueError(f"sides of images must be multiples of 8, got {images.shape}")
    starts = range(0, len(images), batch_size)
    batches = [images[start : start + batch_size] for start in starts]
    encode = jax.jit(_encode, static_argnums=2)
    maps = [encode(encoder_params, batch, "relu4_1") for batch in batches]
    rows_a_batch = -(-num_rows // len(batches))
    params: dict[str, Params] = {}
    for name in DECODER_LAYERS:
        upsample = name in UPSAMPLED
        wanted = (encode(encoder_params, batch, name) for batch in batches)
        params[name] = _fit(maps, wanted, upsample, rows_a_batch, ridge)
        maps = [_apply(params[name], x, upsample) for x in maps]
        if name != "conv1_1":
            maps = [jax.nn.relu(x) for x in maps]
    return params


def _encode(encoder_params: Params, images: Image, name: str) -> Float[Array, "..."]:
    """The encoder's activations at a layer, or what enters one of its convolutions."""
    if name == "conv1_1":
        return images
    block, index = int(name[4]), int(name[6])
    if name.startswith("relu"):
        layer = name
    elif index > 1:
        layer = f"relu{block}_{index - 1}"
    else:
        before = f"conv{block - 1}_"
        layer = max(n for n in encoder_params if n.startswith(before))
        layer = layer.replace("conv", "relu")
    encoder = VGG.of_params(encoder_params, (layer,))
    feature = encoder.apply({"params": encoder_params}, images)[layer]
    pooled = name.startswith("conv") and index == 1
    return max_pool_ceil(feature) if pooled else feature


def _apply(
    params: Params, x: Float[Array, "b h w c"], upsample: bool
) -> Float[Array, "b h2 w2 d"]:
    conv = ReflectConv(params["bias"].shape[0], upsample)
    return conv.apply({"params": params}, x)


def _fit(
    maps: Sequence[Float[Array, "_ h w c"]],
    wanted: Iterable[Float[Array, "_ h2 w2 d"]],
    upsample: bool,
    rows_a_batch: int,
    ridge: float,
) -> Params:
    """Kernel and bias of the regression, from normal equations in float64."""
    rng = np.random.default_rng(0)
    squares: np.ndarray = np.zeros(())
    products: np.ndarray = np.zeros(())
    for x, target in zip(maps, wanted, strict=True):
        num_positions = int(np.prod(target.shape[:3]))
        count = min(rows_a_batch, num_positions)
        chosen = rng.choice(num_positions, count, replace=False)
        square, product = _normal_equations(x, target, jnp.asarray(chosen), upsample)
        squares = squares + np.asarray(square, np.float64)
        products = products + np.asarray(product, np.float64)
    # The last row is the bias, which is not shrunk.
    weight_rows = np.arange(len(squares) - 1)
    squares[weight_rows, weight_rows] += ridge * np.trace(squares) / len(squares)
    solution = np.linalg.solve(squares, products).astype(np.float32)
    kernel = solution[:-1].reshape(3, 3, -1, solution.shape[-1])
    return {"kernel": jnp.asarray(kernel), "bias": jnp.asarray(solution[-1])}


@jax.jit(static_argnums=3)
def _normal_equations(
    x: Float[Array, "b h w c"],
    target: Float[Array, "b h2 w2 d"],
    chosen: Array,
    upsample: bool,
) -> tuple[Float[Array, "n n"], Float[Array, "n d"]]:
    """Products of the patches of 3x3 with one another, and with the target."""
    if upsample:
        x = jnp.repeat(jnp.repeat(x, 2, axis=1), 2, axis=2)
    _, height, width, channels = target.shape
    padded = jnp.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)), mode="reflect")
    image, position = jnp.divmod(chosen, height * width)
    row, column = jnp.divmod(position, width)
    parts = [padded[image, row + i, column + j] for i, j in _OFFSETS]
    ones = jnp.ones((len(chosen), 1))
    patches = jnp.concatenate([*parts, ones], axis=-1)
    values = target.reshape(-1, channels)[chosen]
    with jax.default_matmul_precision("highest"):
        return patches.T @ patches, patches.T @ values
