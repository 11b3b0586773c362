"""Exported files by themselves: batches, operators, sizes and what they say."""

import hashlib
import json

import numpy as np
import onnx
import pytest
from exported import make_file

from styleflax.export import export_onnx
from styleflax.export.runtime.controls import make_plan
from styleflax.export.runtime.model import ExportedModel
from styleflax.export.runtime.passes import Passes
from styleflax.export.runtime.styles import encode_painting
from styleflax.weights.store import model_digest

WEBGPU = {
    *("Add", "Cast", "Concat", "Conv", "ConvTranspose", "DepthToSpace", "Div"),
    *("InstanceNormalization", "LeakyRelu", "MatMul", "MaxPool", "Mul", "Pad"),
    *("ReduceSum", "Relu", "Reshape", "Resize", "Shape", "Sigmoid", "Slice"),
    *("Softmax", "Sub", "Tanh", "Transpose", "Unsqueeze", "BatchNormalization"),
    "Identity",
}
"""Operators of onnxruntime-web's table for WebGPU, as far as they are used."""
RANDOM = np.random.default_rng(0)


def plan_of(manifest, size):
    return make_plan(
        *(manifest, 1, size),
        alpha=0.7 if "strength" in manifest["controls"] else 1.0,
        weights=None,
        masks=None,
        region_alphas=None,
        color_match=None,
        detail=None,
        level_balance=0.5,
    )


@pytest.mark.parametrize("case", ["lite", "sanet"])
def test_a_batch_is_drawn_as_its_pictures_are(case, tmp_path, monkeypatch):
    export_onnx(make_file(case), tmp_path)
    model, fed = ExportedModel(tmp_path, threads=1), []
    run = model.run

    def watched(part, feeds):
        made = run(part, feeds)
        if part == "decoder":
            fed.append((feeds, made["image"]))
        return made

    monkeypatch.setattr(model, "run", watched)
    photos = RANDOM.random((2, 33, 40, 3), np.float32)
    style = encode_painting(model, RANDOM.random((24, 40, 3), np.float32), None)
    plan = plan_of(model.manifest, (33, 40))
    for photo in photos:
        Passes.begin(model, photo, plan, 0).draw([style])
    (one, first), (other, second) = fed
    batch = one | {
        name: np.concatenate([one[name], other[name]])
        for name in one
        if name.startswith(("features.", "content."))
    }
    if case == "sanet":  # whose last style is the photo itself, here the first
        second = run("decoder", other | {k: one[k] for k in one if "style." in k})
        second = second["image"]
    made = run("decoder", batch)["image"]
    np.testing.assert_allclose(made, np.concatenate([first, second]), atol=1e-5)
    features = run("encoder", {"image": photos})["features." + model_level(model)]
    expected = batch["features." + model_level(model)]
    np.testing.assert_allclose(features, expected, atol=1e-5)


def model_level(model):
    return model.manifest["levels"][-1]["name"]


@pytest.mark.parametrize("case", ["adain", "sanet", "lite", "johnson", "cin"])
def test_files_hold_operators_of_webgpu_and_say_what_they_are(case, tmp_path):
    file = make_file(case)
    manifest = export_onnx(file, tmp_path, "int8", name="mine", license_="MIT")
    assert json.loads((tmp_path / "manifest.json").read_text()) == manifest
    assert (manifest["name"], manifest["license"]) == ("mine", "MIT")
    assert manifest["digest"] == model_digest(file)
    for part, entry in manifest["files"].items():
        data = (tmp_path / entry["path"]).read_bytes()
        assert (len(data), hashlib.sha256(data).hexdigest()) == (
            entry["bytes"],
            entry["sha256"],
        )
        model = onnx.load_from_string(data)
        used = {node.op_type for node in model.graph.node}
        assert used <= WEBGPU
        assert not any(
            a.name == "auto_pad" for n in model.graph.node for a in n.attribute
        )
        assert not any(
            a.name == "ceil_mode" for n in model.graph.node for a in n.attribute
        )
        told = json.loads({p.key: p.value for p in model.metadata_props}["styleflax"])
        assert told == {
            **{k: manifest[k] for k in ("name", "method", "digest", "license")},
            **{"arithmetic": manifest["arithmetic"], "part": part},
        }
        assert [x.name for x in model.graph.input] == entry["inputs"]


def test_storage_makes_files_smaller(tmp_path):
    file = make_file("lite")
    sizes = [
        sum(e["bytes"] for e in export_onnx(file, tmp_path, kind)["files"].values())
        for kind in ("float32", "float16", "int8")
    ]
    weights = sum(x.size for x in _leaves(file.players["model"]))
    overhead = sizes[0] - 4 * weights
    assert sizes[1] - overhead < 2.2 * weights
    assert sizes[2] - overhead < 1.6 * weights


def _leaves(tree):
    if isinstance(tree, dict):
        return [leaf for part in tree.values() for leaf in _leaves(part)]
    return [tree]
