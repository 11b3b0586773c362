from functools import partial

import numpy_adain
import pytest

from styleflax.methods import adain, sanet
from styleflax.models.decoder import Decoder

narrow = partial(Decoder, layers=numpy_adain.DECODER_WIDTHS)


@pytest.fixture(scope="module")
def make_narrow():
    """make_adain with a decoder of a few channels."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(adain, "Decoder", narrow)
        yield adain.make_adain


@pytest.fixture(scope="module")
def make_narrow_sanet():
    """make_sanet with a decoder of a few channels; the rest is as wide as its input."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sanet, "Decoder", narrow)
        yield sanet.make_sanet
