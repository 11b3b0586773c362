import jax
import numpy as np
import pytest

from styleflax import methods
from styleflax.inference.datasets.program import (
    make_bulk_program,
    make_style_encoder,
    stylize_each,
)
from styleflax.inference.stylizer import Stylizer
from styleflax.methods.model import Model, build_model
from styleflax.models.vgg import VGG


@pytest.mark.parametrize("looks", [{}, {"color_match": 0.9, "detail": 0.8}])
def test_pictures_in_styles_of_their_own_equal_the_stylizers(model_file, looks):
    alpha = 0.7
    rng = np.random.default_rng(0)
    contents, styles = rng.integers(0, 256, (2, 4, 32, 32, 3), np.uint8)
    model = build_model(model_file)
    encode = make_style_encoder(model)
    encoded = [encode(style) for style in styles]
    program = make_bulk_program(model, jax.local_devices()[:2])
    made = np.asarray(program(alpha, contents, encoded, **looks))
    assert made.dtype == np.uint8
    stylizer = Stylizer(model, jax.local_devices()[:1])
    for i in (0, 3):
        expected = stylizer(contents[i], encoded[i], alpha=alpha, **looks).array * 255
        assert np.abs(made[i] - expected).max() <= 0.51
    # The same batch on one device at a time, as one process would make it.
    one = make_bulk_program(model, jax.local_devices()[:1])
    halves = [
        one(alpha, contents[i : i + 2], encoded[i : i + 2], **looks) for i in (0, 2)
    ]
    np.testing.assert_array_equal(made, np.concatenate(halves))


@pytest.mark.parametrize("name", ["adain", "sanet"])
def test_every_method_takes_a_style_for_each_picture(name):
    method = methods.build(name)
    encoder = VGG(method.encoder_layers)
    image = jax.ShapeDtypeStruct((3, 32, 48, 3), "float32")
    style = jax.ShapeDtypeStruct((1, 40, 32, 3), "float32")

    def trace(image, style):
        params = encoder.init(jax.random.key(0), image)["params"]
        constants = method.init(jax.random.key(0)), {"encoder": params}
        one = method.encode_style(*constants, {"image": style})
        each = jax.tree.map(lambda leaf: leaf[None].repeat(3, axis=0), one)
        return stylize_each(method, *constants, image, each, 1.0)

    assert jax.eval_shape(trace, image, style).shape == image.shape


def test_a_model_with_styles_of_its_own_is_refused():
    model = Model(methods.build("cin", styles=("wave", "dots")), None, None)
    with pytest.raises(ValueError, match="styles of its own: wave, dots"):
        make_style_encoder(model)
