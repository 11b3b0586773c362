"""StableHLO programs of any size against programs compiled for one."""

import jax
import jax.export
import jaxtyping
import numpy as np
import pytest
from exported import CASES, make_file

from styleflax.export import export_stablehlo
from styleflax.inference.stylizer import Stylizer
from styleflax.methods.model import build_model

pytestmark = pytest.mark.usefixtures("sizes_may_be_symbols")
SHARES = [[0.25, 0.75], [1.0, 0.0]]


@pytest.fixture
def sizes_may_be_symbols():
    """Annotations, which ask for whole numbers, are not checked meanwhile."""
    before = jaxtyping.config.jaxtyping_disable
    jaxtyping.config.update("jaxtyping_disable", True)
    yield
    jaxtyping.config.update("jaxtyping_disable", before)


def load(folder, manifest):
    return {
        part: jax.export.deserialize(
            bytearray((folder / entry["path"]).read_bytes())
        ).call
        for part, entry in manifest["files"].items()
    }


def relative(made, expected):
    return np.linalg.norm(made - expected) / np.linalg.norm(expected)


SLOW = [pytest.param(case, marks=pytest.mark.slow) for case in ("lite", "sanet")]


@pytest.mark.parametrize("case", ["adain", *SLOW])
def test_a_program_of_any_size_is_the_compiled_one(case, tmp_path):
    file = make_file(case)
    manifest = export_stablehlo(file, tmp_path, num_styles=2, num_regions=2)
    assert manifest["platforms"] == ["cpu", "cuda", "tpu"]
    programs, rng = load(tmp_path, manifest), np.random.default_rng(0)
    library = Stylizer(build_model(file), jax.devices()[:1], file=file)
    paintings = [rng.random((*s, 3), np.float32) for s in ((24, 40), (37, 21))]
    styles = [programs["encode_style"](painting[None]) for painting in paintings]
    photo = rng.random((51, 45, 3), np.float32)
    masks = rng.random((2, 51, 45), np.float32)
    masks /= masks.sum(axis=0)
    controls = {
        "strength": np.float32([0.8, 0.4]),
        "weights": np.float32(SHARES),
        "masks": masks,
        "color_match": np.float32(0.7),
        "detail": np.float32(0.9),
        **({"level_balance": np.float32(0.3)} if case == "sanet" else {}),
    }
    made = programs["stylize"](photo[None], styles, controls)[0]
    expected = library(
        *(photo, paintings),
        **{"masks": list(masks), "region_styles": SHARES, "alpha": 0.8},
        **{"region_alphas": [1.0, 0.5], "color_match": 0.7, "detail": 0.9},
        **({"level_balance": 0.3} if case == "sanet" else {}),
    ).array
    assert relative(made, expected) < 1e-5


@pytest.mark.parametrize("case", ["johnson", "cin"])
def test_a_network_of_its_own_styles_is_one_program(case, tmp_path):
    file = make_file(case)
    manifest = export_stablehlo(file, tmp_path)
    assert list(manifest["files"]) == ["stylize"]
    stylize = load(tmp_path, manifest)["stylize"]
    library = Stylizer(build_model(file), jax.devices()[:1], file=file)
    names = CASES[case][1].get("styles", ["style"])
    photo = np.random.default_rng(0).random((51, 45, 3), np.float32)
    controls, shares = {"color_match": np.float32(0.7)}, {}
    if case == "cin":
        controls["weights"] = np.float32([[0.25, 0.75, 0.0]])
        shares["weights"] = [0.25, 0.75]
    made = stylize(photo[None], [], controls)[0]
    expected = library(photo, names[:2], color_match=0.7, **shares).array
    assert relative(made, expected) < 1e-5


def test_numbers_below_1_are_refused(tmp_path):
    with pytest.raises(ValueError, match="num_regions must be at least 1, got 0"):
        export_stablehlo(make_file("lite"), tmp_path, num_regions=0)
