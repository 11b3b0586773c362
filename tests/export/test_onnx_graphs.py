"""The graphs by themselves against the methods, in batches, at odd and even sizes."""

from functools import partial

import jax
import numpy as np
import pytest
from exported import make_file, open_sessions

from styleflax.export import export_onnx
from styleflax.inference.masks.layout import average_cells
from styleflax.inference.model import build_model
from styleflax.methods.base import Controls, stylize
from styleflax.ops.statistics import moments_mean_std

SIZES = [(1, 32, 48), (2, 39, 33)]
STRENGTH = np.float32([0.7, 0.3])
WEIGHTS = np.float32([[0.25, 0.75], [1.0, 0.0]])


def random_masks(height, width):
    masks = np.random.default_rng(3).random((2, height, width), np.float32)
    return masks / masks.sum(axis=0)


def feeds_of_moments(manifest, model, image, styles, masks, features):
    """What the decoder takes, its moments by JAX."""
    method = model.method

    @jax.jit
    def moments_of(image, masks):
        return method.moments(method.encode_content(*model[1:], image), masks)

    moments = moments_of(image, masks)
    feeds = {**features, "weights": WEIGHTS, "strength": STRENGTH}
    for level in manifest["levels"]:
        name = level["name"]
        statistics = manifest["statistics"]["content"]
        content = jax.jit(partial(moments_mean_std, **statistics))(moments[name])
        kept = [style if "mean" in style else style[name] for style in styles]
        for k, value in zip(("mean", "std"), content, strict=True):
            feeds[f"content.{name}.{k}"] = np.asarray(value)
            feeds[f"style.{name}.{k}"] = np.concatenate([style[k] for style in kept])
        sides = features[f"features.{name}"].shape[2:]
        feeds[f"masks.{name}"] = average_cells(masks, *sides)
    return feeds


@pytest.mark.parametrize("method", ["adain", "lite"])
@pytest.mark.parametrize("size", SIZES)
def test_graphs_of_moments_make_the_method_s_pictures(method, size, tmp_path):
    file = make_file(method)
    model, manifest = build_model(file), export_onnx(file, tmp_path)
    sessions = open_sessions(manifest, tmp_path)
    rng = np.random.default_rng(0)
    image = rng.random((*size, 3), np.float32)
    paintings = [rng.random((1, *s, 3), np.float32) for s in ((24, 40), (37, 21))]
    encode = jax.jit(partial(model.method.encode_style, *model[1:]))
    styles = [encode({"image": painting}) for painting in paintings]
    masks = random_masks(*size[1:])
    controls = Controls(STRENGTH, WEIGHTS, masks, {})
    expected = jax.jit(partial(stylize, *model))(image, styles, controls)
    made = sessions["encoder"].run(None, {"image": image})
    features = dict(zip(manifest["files"]["encoder"]["outputs"], made, strict=True))
    feeds = feeds_of_moments(manifest, model, image, styles, masks, features)
    (stylized,) = sessions["decoder"].run(None, feeds)
    assert np.std(expected) > 0.01
    cut = stylized[:, : size[1], : size[2]]
    np.testing.assert_allclose(cut, expected, atol=1e-5)
