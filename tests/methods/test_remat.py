import jax
import jax.numpy as jnp
import numpy as np
import numpy_adain
import numpy_sanet
import pytest

from styleflax.config import Config, Phase, Run
from styleflax.methods.base import Variables
from styleflax.models.vgg import VGG
from styleflax.training.phases import build_method

KEY = jax.random.key(0)
ADAIN = {"content": 1.0, "style": 10.0}
SANET = {"content": 1.0, "style": 3.0, "identity_features": 1.0}


def gradient_and_kept_bytes(make, losses, players, encoder, remat):
    """Values, gradients, and bytes that wait for the backward pass."""
    loss = make(losses, native=True, remat=remat).losses["model"]
    images = jax.random.uniform(KEY, (2, 1, 32, 32, 3))
    constants = (
        Variables({"model": players}, {}),
        {"encoder": encoder},
        {"content": images[0], "style": images[1]},
        KEY,
    )
    kept = jax.eval_shape(
        lambda own, constants: jax.vjp(lambda p: loss(p, *constants)[0], own)[1],
        players,
        constants,
    )
    size = sum(x.size * x.dtype.itemsize for x in jax.tree.leaves(kept))
    gradient = jax.jit(jax.value_and_grad(loss, has_aux=True))
    return gradient(players, *constants), size


@pytest.mark.parametrize(
    "name", ["adain", pytest.param("sanet", marks=pytest.mark.slow)]
)
def test_rematerialised_gradients_are_the_same_and_keep_less(
    name, make_narrow, make_narrow_sanet
):
    if name == "adain":
        players = numpy_adain.random_decoder()
        case = (make_narrow, ADAIN, players, numpy_adain.random_encoder())
    else:
        players = numpy_sanet.random_model()
        case = (make_narrow_sanet, SANET, players, numpy_sanet.random_encoder())
    (plain, plain_bytes), (again, bytes_again) = (
        gradient_and_kept_bytes(*case, remat) for remat in (False, True)
    )
    assert float(again[0][0]) == pytest.approx(float(plain[0][0]), rel=1e-5)
    got, expected = (
        np.concatenate([np.ravel(leaf) for leaf in jax.tree.leaves(gradient)])
        for _, gradient in (again, plain)
    )
    assert np.linalg.norm(got - expected) < 1e-5 * np.linalg.norm(expected)
    assert bytes_again < 0.8 * plain_bytes


@pytest.mark.parametrize("name", ["adain", "sanet"])
@pytest.mark.parametrize("remat", [False, True])
def test_the_runs_configuration_asks_for_it(name, remat):
    phase = Phase(losses={"content": 1.0, "style": 1.0})
    config = Config(method=name, run=Run(remat=remat), phases=(phase,))
    method = build_method(config, phase)
    variables = jax.eval_shape(method.init, KEY)
    encoder = jax.eval_shape(
        VGG(method.encoder_layers).init, KEY, jnp.zeros((1, 16, 16, 3))
    )
    image = jax.ShapeDtypeStruct((1, 32, 32, 3), jnp.float32)
    program = jax.make_jaxpr(method.losses["model"])(
        variables.players["model"],
        variables,
        {"encoder": encoder["params"]},
        {"content": image, "style": image},
        KEY,
    )
    assert ("remat" in str(program)) is remat
