import jax
import jax.numpy as jnp
import numpy as np
import numpy_sanet
import pytest

from styleflax.methods.sanet import make_sanet
from styleflax.models.sanet import LEVELS, Regions, SANet

RNG = np.random.default_rng(3)
PARAMS = numpy_sanet.random_transform()
SIDES = {"relu4_1": (3, 5), "relu5_1": (2, 3)}


def features():
    return {
        layer: jnp.asarray(
            RNG.normal(size=(1, *side, numpy_sanet.CHANNELS)), jnp.float32
        )
        for layer, side in SIDES.items()
    }


def test_both_levels_are_the_sum_of_each_alone():
    content, style = features(), features()
    queries = {layer: [feature] for layer, feature in content.items()}
    whole = Regions(jnp.ones((1, 1, 1)), jnp.ones((1, 1)))

    def merged(levels):
        network = SANet({"ddof": 0, "eps": 1e-5}, path="dense", levels=levels)
        own = {
            k: v
            for k, v in PARAMS.items()
            if k == "merge_conv" or "relu" + k[5:] in levels
        }
        return network.apply({"params": own}, content, queries, [style], whole)

    each = [merged((level,)) - PARAMS["merge_conv"]["bias"] for level in LEVELS]
    both = merged(LEVELS) - PARAMS["merge_conv"]["bias"]
    np.testing.assert_allclose(both, each[0] + each[1], rtol=1e-4, atol=1e-5)
    assert all(float(jnp.abs(x).max()) > 0.1 for x in each)


@pytest.mark.parametrize("level", LEVELS)
def test_a_method_of_one_level_has_no_parameters_of_the_other(level):
    method = make_sanet(levels=[level])
    params = jax.eval_shape(method.init, jax.random.key(0)).players["model"]
    blocks = {name for name in params if name.startswith("sanet")}
    assert blocks == {level.replace("relu", "sanet")}
    assert method.options == {"levels": [level]}
    assert method.tiling is None
    assert make_sanet().options == {}


@pytest.mark.parametrize("levels", [[], ["relu3_1"]])
def test_levels_that_there_are_not_are_refused(levels):
    with pytest.raises(ValueError, match=r"levels must be some of .*relu5_1"):
        make_sanet(levels=levels)
