import numpy as np
import pytest
from small_model import make_model

from styleflax.weights.encoder import average_models
from styleflax.weights.store import EncoderSpec, model_digest


def with_kernel(value, mean=0.0):
    model = make_model(provenance={"steps": int(value)})
    bias = model.players["model"]["conv0"]["bias"]
    conv = {"kernel": np.full((3, 3, 4, 3), value, "f4"), "bias": bias}
    players = {**model.players, "model": {"conv0": conv}}
    state = {"norm": {"mean": np.full(3, mean, "f4")}}
    return model._replace(players=players, state=state)


def test_trained_parts_and_statistics_are_means_and_the_encoder_stays():
    models = [with_kernel(1.0, 4.0), with_kernel(2.0, 5.0), with_kernel(6.0, 9.0)]
    found = average_models(models)
    kernel = found.players["model"]["conv0"]["kernel"]
    np.testing.assert_array_equal(kernel, np.full((3, 3, 4, 3), 3.0, "f4"))
    assert kernel.dtype == np.float32
    np.testing.assert_array_equal(found.state["norm"]["mean"], np.full(3, 6.0, "f4"))
    assert found.encoder_params is models[0].encoder_params
    assert found._replace(players={}, state={}, provenance={}) == models[0]._replace(
        players={}, state={}, provenance={}
    )


def test_provenance_names_every_model():
    models = [with_kernel(1.0), with_kernel(2.0)]
    expected = [{"sha256": model_digest(m), **m.provenance} for m in models]
    assert average_models(models).provenance == {"mean_of": expected}


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"method": "sanet"}, "method"),
        ({"encoder": EncoderSpec("vgg19", "torchvision")}, "encoder"),
        ({"arithmetic": {"ddof": 0}}, "arithmetic"),
        ({"options": {"norm": "batch"}}, "options"),
        ({"state": {}}, "state does not fit: 1 missing: norm/mean"),
    ],
)
def test_models_that_differ_in_kind_are_refused(change, named):
    with pytest.raises(ValueError, match=named) as e:
        average_models([make_model(), make_model(**change)])
    assert str(e.value).startswith("model 2")


def test_models_of_other_encoder_values_are_refused():
    other = make_model()
    other.encoder_params["conv1_1"]["kernel"][0, 0, 0, 0] += 1
    with pytest.raises(
        ValueError, match="model 2 differs from the first in encoder's values"
    ):
        average_models([make_model(), other])


@pytest.mark.parametrize("number", [0, 1])
def test_fewer_than_two_models_have_no_mean(number):
    with pytest.raises(ValueError, match=f"models must be at least two, got {number}"):
        average_models([make_model()] * number)
