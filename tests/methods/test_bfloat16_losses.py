import jax
import jax.numpy as jnp
import pytest

from styleflax import methods
from styleflax.losses.perceptual import STYLE_LOSSES
from styleflax.methods.base import Variables
from styleflax.methods.sanet import LOSS_TERMS as SANET_TERMS
from styleflax.models.vgg import VGG

ADAIN_TERMS = ("content", "style", "pixel", "identity", "total_variation")


def equations(jaxpr):
    """All equations, those of inner programs included."""
    for equation in jaxpr.eqns:
        yield equation
        for inner in jax.tree.leaves(
            list(equation.params.values()),
            is_leaf=lambda x: hasattr(x, "eqns") or hasattr(x, "jaxpr"),
        ):
            body = getattr(inner, "jaxpr", inner)
            if hasattr(body, "eqns"):
                yield from equations(body)


@pytest.fixture(scope="module", params=["adain", "sanet"])
def loss_and_arguments(request):
    """The sum of all terms, in bfloat16; and the shapes of its arguments."""
    sanet_terms = (*SANET_TERMS, *STYLE_LOSSES)
    terms = {"adain": ADAIN_TERMS, "sanet": sanet_terms}[request.param]
    weights = dict.fromkeys(terms, 1.0)
    method = methods.build(request.param, losses=weights, dtype="bfloat16")
    images = jax.ShapeDtypeStruct((2, 32, 32, 3), jnp.float32)
    encoder = VGG(method.encoder_layers)
    params = jax.eval_shape(encoder.init, jax.random.key(0), images)["params"]
    players = jax.eval_shape(method.init, jax.random.key(0)).players
    batch = {"content": images, "style": images}
    key = jax.eval_shape(jax.random.key, 0)
    variables = Variables(players, {})
    constants = (variables, {"encoder": params}, batch, key)
    return method.losses["model"], (players["model"], *constants)


def test_losses_and_gradients_are_float32(loss_and_arguments):
    loss, arguments = loss_and_arguments
    shapes = jax.eval_shape(jax.value_and_grad(loss, has_aux=True), *arguments)
    assert {leaf.dtype.name for leaf in jax.tree.leaves(shapes)} == {"float32"}


def test_networks_compute_in_bfloat16_and_nothing_is_summed_in_it(loss_and_arguments):
    loss, arguments = loss_and_arguments
    found = list(equations(jax.make_jaxpr(loss)(*arguments).jaxpr))

    def types(*names):
        return {
            variable.aval.dtype.name
            for equation in found
            if equation.primitive.name in names
            for variable in equation.outvars
        }

    assert types("conv_general_dilated") == {"bfloat16"}
    sums = types("reduce_sum", "reduce_max", "cumsum", "exp", "sqrt", "rsqrt")
    assert sums == {"float32"}
