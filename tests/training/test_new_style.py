"""What a new style of a model is trained on."""

import numpy as np
import pytest
from own_styles import make_file

from styleflax.config import StyleTerm
from styleflax.methods.feed_forward import FEED_FORWARD_LOSSES
from styleflax.training.new_style import NewStyle, new_style_config
from styleflax.weights.store import save_model


@pytest.fixture
def config_for(tmp_path, write_picture):
    """`make(**changes)`: the run that adds a style to such a model file."""
    painting = tmp_path / "new.png"
    write_picture(painting, 20, 20)

    def make(losses=None, **changes):
        path = tmp_path / "cin.safetensors"
        save_model(path, make_file("cin")._replace(**changes), dtype=np.float32)
        return new_style_config(NewStyle(painting, str(path), losses=losses))

    return make


LAST = {"content": 1.0, StyleTerm("gram_squared", ("relu2_1",)): 1e-4}
WRITTEN = {"content": 1.0, "gram_squared@relu2_1": 1e-4}
PROVENANCE = {"phases": [{"losses": {"content": 9.0}}, {"losses": WRITTEN}]}


def test_losses_are_those_of_the_model_s_last_phase(config_for):
    assert config_for(provenance=PROVENANCE).phases[0].losses == LAST


def test_losses_of_averaged_weights_are_those_of_the_last_of_them(config_for):
    first = {"phases": [{"losses": {"content": 9.0}}]}
    averaged = {"mean_of": [first, {"sha256": "x", **PROVENANCE}]}
    assert config_for(provenance=averaged).phases[0].losses == LAST


def test_losses_may_be_others(config_for):
    asked = {"gram": 1.0}
    assert config_for(asked, provenance=PROVENANCE).phases[0].losses == asked


def test_a_critic_is_not_asked_again(config_for):
    critics = {"adversarial": 1.0, "adversarial@relu2_1": 2.0}
    provenance = {"phases": [{"losses": WRITTEN | critics}]}
    assert config_for(provenance=provenance).phases[0].losses == LAST


@pytest.mark.parametrize("provenance", [{}, {"phases": []}, {"phases": [{"steps": 1}]}])
def test_models_that_do_not_tell_their_losses_get_the_default(config_for, provenance):
    assert config_for(provenance=provenance).phases[0].losses == FEED_FORWARD_LOSSES


def test_the_judge_pools_as_it_did_for_the_model(config_for):
    options = dict(make_file("cin").options)
    assert config_for(options=options | {"pooling": "average"}).options.pooling == (
        "average"
    )
    del options["pooling"]  # as in files from before there was a choice
    assert config_for(options=options).options.pooling == "max"
