import flax.linen as nn
import numpy as np
import pytest
from flax.errors import ScopeParamShapeError

from styleflax.models.vgg import find_param


class Scaled(nn.Module):
    init: nn.initializers.Initializer

    @nn.compact
    def __call__(self, x):
        return x * find_param(self, "scale", self.init, x.shape[-1:])


def never(*_):
    raise AssertionError("a parameter that is given must not be drawn")


def test_a_given_parameter_is_taken_and_not_drawn():
    x = np.arange(6, dtype=np.float32).reshape(2, 3)
    given = {"params": {"scale": np.array([1, 0, 2], np.float32)}}
    np.testing.assert_array_equal(Scaled(never).apply(given, x), x * [1, 0, 2])


def test_a_parameter_of_another_shape_is_refused():
    given = {"params": {"scale": np.ones(4, np.float32)}}
    with pytest.raises(ScopeParamShapeError, match=r'"scale".*\(3,\).*\(4,\)'):
        Scaled(never).apply(given, np.ones((2, 3), np.float32))
