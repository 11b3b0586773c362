"""How far exported pictures of the packaged weights are from the library's."""

import jax
import numpy as np
import pytest

from styleflax import methods
from styleflax.export import export_model
from styleflax.export.runtime import OnnxStylizer
from styleflax.export.storage import quantize
from styleflax.images.files import load_image_u8, resize_short_side
from styleflax.images.listing import held_out_photo, training_photos
from styleflax.inference.stylizer import Stylizer
from styleflax.weights.store import find_model, load_model, save_model

PSNR_DB = {"float32": 90, "float16": 55, "int8": 38}
"""At least, against the library in JAX."""
FLOAT32 = 1e-4


def seen(path, size_px):
    return np.asarray(resize_short_side(load_image_u8(path), size_px))


def psnr(a, b):
    return -10 * np.log10(np.square(a - b).mean(dtype=np.float64) + 1e-12)


@pytest.mark.parametrize("name", ["lite", "adain", "sanet"])
def test_packaged_weights_draw_real_pictures_as_the_library_does(name, tmp_path):
    photo = seen(held_out_photo(), 96)
    paintings = [seen(path, 96) for path in training_photos()[:2]]
    library = Stylizer.load(name)
    expected = library(photo, paintings, color_match=0.0).array
    for storage, least in PSNR_DB.items():
        export_model(name, tmp_path, storage=storage)
        exported = OnnxStylizer(tmp_path, threads=1)
        made = exported(photo, paintings, color_match=0.0)
        assert psnr(made, expected) > least, storage
        if storage == "float32":
            # SANet's softmax enlarges rounding at a few positions.
            differing = np.abs(made - expected) > FLOAT32
            assert differing.mean() <= (0.001 if name == "sanet" else 0.0)


def test_sanet_that_retains_all_digits_is_exact_in_every_pixel(tmp_path):
    file = load_model(find_model("sanet"))
    options = methods.build("sanet", style_dtype="float32").options
    assert options == {"style_dtype": "float32"}
    file = file._replace(options=options)
    save_model(tmp_path / "model.safetensors", file)
    library = Stylizer.load(tmp_path / "model.safetensors")
    export_model(tmp_path / "model.safetensors", tmp_path)
    exported = OnnxStylizer(tmp_path, threads=1)
    painting = seen(training_photos()[0], 96)
    for size_px in (96, 97):
        photo = seen(held_out_photo(), size_px)
        for controls in ({}, {"alpha": 0.6, "level_balance": 0.2}):
            expected = library(photo, painting, **controls).array
            made = exported(photo, painting, **controls)
            np.testing.assert_allclose(made, expected, atol=FLOAT32)


def test_weights_in_8_bits_are_off_by_half_a_step_at_most():
    weights = np.asarray(jax.random.normal(jax.random.key(0), (6, 32, 3, 3)))
    weights = weights * np.linspace(0, 5, 6, dtype="f4")[:, None, None, None]
    whole, scale = quantize(weights, 1)
    assert whole.shape == (6, 2, 16, 3, 3)
    assert scale.shape == (6, 2, 1, 3, 3)
    again = (whole * scale.astype("f4")).reshape(weights.shape)
    step = np.broadcast_to(scale.astype("f4"), whole.shape).reshape(weights.shape)
    assert (np.abs(again - weights) <= 0.51 * step).all()
    assert (again[0] == 0).all()
