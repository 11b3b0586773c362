from functools import partial

import numpy_adain
import pytest

from styleflax.methods.adain import make_adain
from styleflax.methods.sanet import make_sanet


@pytest.fixture(scope="session")
def make_narrow():
    """make_adain of a few channels."""
    return partial(make_adain, width=numpy_adain.WIDTH)


@pytest.fixture(scope="session")
def make_narrow_sanet():
    """make_sanet of a few channels."""
    return partial(make_sanet, width=numpy_adain.WIDTH)
