"""Rows made by hand, and the report of them."""

import math

import numpy as np
import pytest

from styleflax.evaluation.report import summary, write_report
from styleflax.evaluation.rows import Row
from styleflax.images.files import save_image

CONTENTS = ("a boat", "<script>alert(1)</script>")
STYLES = ("s&t", "u")
EVIL = "lite <script>$x$"

_LAYERS = ("gram_vgg16_relu1_2", "gram_vgg16_relu4_3", "gram_alexnet_relu1")


def make_values(base):
    """Numbers that stand in a known relation to `base`."""
    return {
        "gram_vgg16": base,
        "gram_alexnet": 2 * base,
        **dict.fromkeys(_LAYERS, base),
        "lpips_alexnet": 1 - base / 2,
        "blobs": float(base > 0.5),
        "unheard_of": 7.0,
    }


@pytest.fixture(scope="session")
def make_rows():
    def make(system, alpha, base, picture=""):
        return [
            Row("pair", system, alpha, c, s, make_values(base + i / 10 + j / 100))
            for i, c in enumerate(CONTENTS)
            for j, s in enumerate(STYLES)
        ]

    return make


@pytest.fixture(scope="session")
def rows(make_rows, tmp_path_factory):
    """Two models, outputs of several strengths and the baselines."""
    rows = make_rows("adain", 0.5, 0.6) + make_rows("adain", 1.0, 0.3)
    rows += make_rows(f"{EVIL}@0.5", None, 0.7) + make_rows(f"{EVIL}@1", None, 0.5)
    rows += make_rows("content", None, 1.0) + make_rows("style", None, 0.1)
    rows[0].values["ssim"] = math.nan  # no finite value anywhere
    rows[0].values["ms_ssim"], rows[1].values["ms_ssim"] = math.nan, 0.25
    identity = {"psnr": math.nan, "lpips_alexnet": 0.125}
    rows.append(Row("identity", "adain", 1.0, "a boat", "a boat", identity))
    return rows


@pytest.fixture(scope="session")
def inputs():
    gray = np.full((16, 16, 3), 0.5, np.float32)
    return {
        "content": dict.fromkeys(CONTENTS, gray),
        "style": dict.fromkeys(STYLES, gray),
    }


@pytest.fixture(scope="session")
def out(rows, inputs, tmp_path_factory):
    """The folder of a report with pictures of the model at strength 1."""
    out = tmp_path_factory.mktemp("report")
    save_image(np.zeros((16, 16, 3), np.float32), out / "made.png")
    shown = [
        row._replace(picture="made.png")
        if (row.system, row.alpha) == ("adain", 1.0)
        else row
        for row in rows
    ]
    settings = {"size_px": 16, "name": "<b>&", "nan": math.nan, "list": [0, 0.5]}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(summary, "DRAWS", 50)
        write_report(
            out, shown, settings, {("adain", 1.0): {"fid": 12.5}}, inputs=inputs
        )
    return out
