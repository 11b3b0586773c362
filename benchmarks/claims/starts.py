"""Where trainings begin, so that short ones compare what the claims are about.

A decoder that begins at random is still noise after sixty steps. These begin
as the inverse of the encoder (`models.inversion`), which has seen no style loss, and
differ in nothing but what is compared. That start favors what it was fitted to, a
decoder of AdaIN's output without norms: a random one favors none.
"""

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks.claims.training import Begin
from styleflax.methods.base import Variables
from styleflax.models.inversion import invert_encoder
from styleflax.models.vgg import DECODER_LAYERS, UPSAMPLED, VGG, ReflectConv
from styleflax.ops.statistics import adain, channel_mean_std
from styleflax.types import Params
from styleflax.weights.encoder import load_encoder

NAMES = {
    "inverse": "all begin as the inverse of the encoder",
    "random": "all begin at random",
}
"""By name, what a page says of it."""


def inverse_decoder(pictures: np.ndarray, encoder: str = "adain") -> Params:
    """A decoder that gives the pictures back from their relu4_1, if softly."""
    params = load_encoder(encoder).params
    return invert_encoder(params, jnp.asarray(pictures), num_rows=8_192)


def begin_with_decoder(
    decoder: Params, contents: np.ndarray, styles: np.ndarray, encoder: str = "adain"
) -> Begin:
    """Variables of any of AdaIN's decoders that compute what `decoder` does.

    Channels that it has not got, of a concatenated style, count for nothing at
    first. Norms begin with the scale and shift that undo them over AdaIN's output for
    these pictures, and so with the population's statistics of just these.

    Args:
        decoder: Parameters of one without norms.
        contents: Pictures.
        styles: As many.
        encoder: Whose features are decoded.
    """

    def begin(variables: Variables) -> Variables:
        own = dict(variables.players["model"])
        wanted = own["conv4_1"]["kernel"].shape
        kernel = np.zeros(wanted, np.float32)
        known = decoder["conv4_1"]["kernel"]
        kernel[:, :, : known.shape[2]] = known
        own |= decoder
        own["conv4_1"] = {**decoder["conv4_1"], "kernel": kernel}
        if "norm4_1" not in own:
            return Variables({"model": own}, variables.state)
        moments = _moments_before_norms(decoder, contents, styles, encoder)
        kept = {name: {"mean": m, "var": v} for name, (m, v) in moments.items()}
        undone = {
            name: {"scale": jnp.sqrt(v + 1e-5), "bias": m}
            for name, (m, v) in moments.items()
        }
        state = {"batch_stats": kept} if variables.state else {}
        return Variables({"model": own | undone}, state)

    return begin


def _moments_before_norms(
    decoder: Params, contents: np.ndarray, styles: np.ndarray, encoder: str
) -> dict[str, tuple[jax.Array, jax.Array]]:
    """Mean and variance of every channel where norms would stand, by their names."""
    params = load_encoder(encoder).params
    network = VGG.of_params(params, ("relu4_1",))

    @jax.jit
    def walk(contents, styles):
        features, painted = (
            network.apply({"params": params}, x)["relu4_1"] for x in (contents, styles)
        )
        x, found = adain(features, *channel_mean_std(painted)), {}
        for name, channels in DECODER_LAYERS.items():
            conv = ReflectConv(channels, name in UPSAMPLED)
            x = conv.apply({"params": decoder[name]}, x)
            if name != "conv1_1":
                axes = (0, 1, 2)
                found[name.replace("conv", "norm")] = (x.mean(axes), x.var(axes))
                x = jax.nn.relu(x)
        return found

    return walk(jnp.asarray(contents), jnp.asarray(styles))
