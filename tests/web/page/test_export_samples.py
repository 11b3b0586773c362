"""The lines of JavaScript in docs/export.md, run as they stand by a browser."""

import re
from pathlib import Path

import numpy as np
import pytest
from exported import make_file
from page_visit import serving

import styleflax
from styleflax.export import export_onnx
from styleflax.export.runtime import OnnxStylizer

DOCS = Path(styleflax.__file__).parents[1] / "docs" / "export.md"
PAGE = """<!doctype html><title>Sample</title><link rel="icon" href="data:,">
<script type="importmap">
{"imports": {"onnxruntime-web/wasm": "./runtime/ort.wasm.min.mjs"}}
</script><script type="module" src="sample.js"></script>"""
PHOTO, PAINTING = (41, 50, 3), (24, 37, 3)
GIVEN = """const floats = async (name) =>
  new Float32Array(await (await fetch(name)).arrayBuffer());
const photo = await floats("photo"), painting = await floats("painting");
const [height, width] = [41, 50], [paintingHeight, paintingWidth] = [24, 37];
"""


def blocks():
    if not DOCS.is_file():
        pytest.skip("needs a checkout")
    return re.findall(r"^```javascript\n(.*?)^```", DOCS.read_text(), re.M | re.S)


@pytest.fixture
def pictures(site, tmp_path):
    """A photo and a painting, which also lie beside the runtime, as raw numbers."""
    (tmp_path / "runtime").symlink_to(site / "runtime")
    (tmp_path / "index.html").write_text(PAGE)
    rng = np.random.default_rng(0)
    made = [rng.random(shape, np.float32) for shape in (PHOTO, PAINTING)]
    for name, picture in zip(("photo", "painting"), made, strict=True):
        (tmp_path / name).write_bytes(picture.tobytes())
    return made


def drawn(chromium, folder, code, output):
    """The picture that a script of a page draws."""
    found = f"globalThis.drawn = {{ dims: {output}.dims, data: [...{output}.data] }};"
    (folder / "sample.js").write_text(GIVEN + code + found)
    context = chromium.new_context()
    page, errors = context.new_page(), []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on("console", lambda message: errors.append(message.text))
    with serving(folder) as address:
        page.goto(address)
        page.wait_for_function("globalThis.drawn")
        made = page.evaluate("globalThis.drawn")
    context.close()
    assert errors == []
    image = np.reshape(made["data"], made["dims"])[0]
    return image[: PHOTO[0], : PHOTO[1]].clip(0, 1)


@pytest.mark.parametrize("case", ["lite", "adain"])
def test_a_photo_in_the_style_of_a_painting(case, pictures, chromium, tmp_path):
    export_onnx(make_file(case), tmp_path / "lite")
    transfer, moments, _ = blocks()
    made = drawn(chromium, tmp_path, transfer + moments, "image")
    expected = OnnxStylizer(tmp_path / "lite", threads=1)(*pictures, alpha=0.8)
    np.testing.assert_allclose(made, expected, atol=1e-4)


def test_a_network_with_its_own_style(pictures, chromium, tmp_path):
    export_onnx(make_file("johnson"), tmp_path / "johnson")
    transfer, _, network = blocks()
    given = "".join(transfer.splitlines(keepends=True)[:2])  # ort and f32
    made = drawn(chromium, tmp_path, given + network, "stylized")
    expected = OnnxStylizer(tmp_path / "johnson", threads=1)(pictures[0])
    np.testing.assert_allclose(made, expected, atol=1e-4)
