"""What docs/export.md tells people to write."""

import re
from pathlib import Path

import numpy as np
import pytest
from exported import make_file

import styleflax
from styleflax.export import export_onnx
from styleflax.export.runtime import OnnxStylizer

PAGE = Path(styleflax.__file__).parents[1] / "docs" / "export.md"


@pytest.mark.parametrize("case", ["adain", "lite"])
def test_lines_for_onnx_runtime_alone_draw_what_ours_does(case, tmp_path, monkeypatch):
    if not PAGE.is_file():
        pytest.skip("needs a checkout")
    blocks = re.findall(r"^```python\n(.*?)^```", PAGE.read_text(), re.M | re.S)
    (code,) = (block for block in blocks if "InferenceSession" in block)
    export_onnx(make_file(case), tmp_path / "adain_onnx")
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    photo, painting = (
        rng.random((*size, 3), np.float32) for size in ((33, 40), (24, 37))
    )
    names = {"photo": photo, "painting": painting}
    exec(code, names)
    stylizer = OnnxStylizer(tmp_path / "adain_onnx", threads=1)
    expected = stylizer(photo, painting, alpha=0.8)
    np.testing.assert_allclose(names["image"], expected, atol=1e-5)
