from functools import partial

import numpy_adain
import pytest

from styleflax import methods


@pytest.fixture(scope="session")
def make_narrow():
    """The method of a few channels; takes arguments of `methods.build`."""
    return partial(methods.build, "adain", width=numpy_adain.WIDTH)


@pytest.fixture(scope="session")
def make_narrow_sanet():
    """The method of a few channels; takes arguments of `methods.build`."""
    return partial(methods.build, "sanet", width=numpy_adain.WIDTH)
