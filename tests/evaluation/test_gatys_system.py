import jax
import numpy as np
import pytest

from styleflax.evaluation import systems as gatys_system
from styleflax.evaluation.inputs import Input
from styleflax.evaluation.runner import load_systems
from styleflax.evaluation.systems import make_gatys_system
from styleflax.inference.gatys import Optimized
from styleflax.weights.store import load_model

CONTENT, STYLE = (Input(name, name, np.zeros((16, 16, 3), "u1")) for name in "cs")


@pytest.fixture(autouse=True)
def asked(monkeypatch):
    """Settings that were asked for; pictures are of one gray."""
    made = []

    def make_gatys(params, settings):
        made.append(settings)
        gray = np.full((16, 16, 3), 0.3001, "f4")
        return lambda content, styles: Optimized(gray, np.zeros((1, 4)))

    monkeypatch.setattr(gatys_system, "make_gatys", make_gatys)
    monkeypatch.setattr(gatys_system, "load_gatys_encoder", lambda *_: {})
    return made


def test_pictures_are_made_by_so_many_iterations_and_as_a_file_holds_them(asked):
    system = make_gatys_system(40)
    assert (system.name, system.alphas) == ("gatys-40", (None,))
    made = system.make(CONTENT, STYLE, None)
    assert asked[0].iterations == (40,)
    np.testing.assert_allclose(made.picture, 77 / 255, rtol=1e-6)
    assert made.values["seconds"] >= 0


def test_they_take_part_beside_others():
    scored = load_systems([], (), [], [], 16, baselines=True, gatys=(10, 20))
    names = [system.name for system in scored.systems]
    assert names == ["gatys-10", "gatys-20", "content", "style", "coral"]
    digests = scored.digests["gatys"]
    assert list(digests) == names[:2]
    assert "style_weight" in digests["gatys-10"]


def test_none_is_refused():
    with pytest.raises(ValueError, match="at least 1 iteration, got 0"):
        make_gatys_system(0)


def test_another_encoder_is_another_system(monkeypatch):
    def changed(path):
        file = load_model(path)
        first = jax.tree.map(lambda leaf: leaf + 1, file.encoder_params["conv1_1"])
        return file._replace(encoder_params={**file.encoder_params, "conv1_1": first})

    before = gatys_system.describe_gatys([10])
    assert gatys_system.describe_gatys([10]) == before
    monkeypatch.setattr(gatys_system, "load_model", changed)
    assert gatys_system.describe_gatys([10]) != before
