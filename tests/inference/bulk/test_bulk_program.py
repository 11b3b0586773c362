import jax
import numpy as np
import pytest

from styleflax.inference.bulk.program import make_bulk_program, make_style_encoder
from styleflax.inference.model import build_model
from styleflax.inference.stylizer import Stylizer


@pytest.mark.parametrize("alpha", [0.7])
def test_pictures_in_styles_of_their_own_equal_the_stylizers(model_file, alpha):
    rng = np.random.default_rng(0)
    contents, styles = rng.integers(0, 256, (2, 4, 32, 32, 3), np.uint8)
    model = build_model(model_file)
    encode = make_style_encoder(model)
    encoded = [encode(style) for style in styles]
    program = make_bulk_program(model, jax.local_devices()[:2])
    made = np.asarray(program(alpha, contents, encoded))
    assert made.dtype == np.uint8
    stylizer = Stylizer(model, jax.local_devices()[:1])
    for i in (0, 3):
        expected = stylizer(contents[i], styles[i], alpha=alpha).array * 255
        assert np.abs(made[i] - expected).max() <= 0.51
    # The same batch on one device at a time, as one process would make it.
    one = make_bulk_program(model, jax.local_devices()[:1])
    halves = [one(alpha, contents[i : i + 2], encoded[i : i + 2]) for i in (0, 2)]
    np.testing.assert_array_equal(made, np.concatenate(halves))
