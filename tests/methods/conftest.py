from functools import partial

import numpy_adain
import pytest

from styleflax.methods import adain as module
from styleflax.models.decoder import Decoder


@pytest.fixture(scope="module")
def make_narrow():
    """make_adain with a decoder of a few channels."""
    narrow = partial(Decoder, layers=numpy_adain.DECODER_WIDTHS)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "Decoder", narrow)
        yield module.make_adain
