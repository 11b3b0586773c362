import re

import pytest

from styleflax.methods.model import build_model
from styleflax.models.vgg import cut_params


def test_model_file_becomes_its_method_and_parameters(model_file):
    model = build_model(model_file)
    assert model.variables.players.keys() == {"model"}
    assert model.frozen["encoder"].keys() == model_file.encoder_params.keys()
    assert model.method.encoder_layers[-1] == "relu4_1"


def test_unknown_method_is_refused(model_file):
    with pytest.raises(
        ValueError, match=r"method must be one of \['adain', .*'sannet'"
    ):
        build_model(model_file._replace(method="sannet"))


def test_missing_and_extra_parameters_are_listed(model_file):
    params = dict(model_file.players["model"])
    params["conv9_9"] = params.pop("conv3_4")
    message = (
        "the trained part 'model' does not fit: "
        "2 missing: conv3_4/bias, conv3_4/kernel; 2 extra: conv9_9/bias, conv9_9/kernel"
    )
    with pytest.raises(ValueError, match=re.escape(message)):
        build_model(model_file._replace(players={"model": params}))


def test_file_without_trained_parts_is_refused(model_file):
    with pytest.raises(ValueError, match="'model' does not fit: 18 missing: conv1_1"):
        build_model(model_file._replace(players={}))


def test_trained_parts_of_another_player_are_listed(model_file):
    players = model_file.players | {"critic": {"dense": model_file.players["model"]}}
    with pytest.raises(ValueError, match="the trained parts does not fit: 18 extra"):
        build_model(model_file._replace(players=players))


def test_encoder_cut_too_short_is_refused(model_file):
    short = cut_params(model_file.encoder_params, ("relu3_1",))
    with pytest.raises(ValueError, match=r"the encoder does not fit: .*conv4_1/kernel"):
        build_model(model_file._replace(encoder_params=short))


def test_encoder_of_another_architecture_is_refused(model_file):
    spec = model_file.encoder._replace(architecture="vgg19")
    with pytest.raises(ValueError, match=r"2 missing: conv3_4/bias, conv3_4/kernel"):
        build_model(model_file._replace(encoder=spec))


@pytest.mark.parametrize("name", ["architecture", "convention"])
def test_encoder_of_an_unknown_kind_is_refused(model_file, name):
    spec = model_file.encoder._replace(**{name: "other"})
    with pytest.raises(ValueError, match=f"the encoder's {name} must be one of"):
        build_model(model_file._replace(encoder=spec))


def test_arithmetic_of_a_newer_version_is_refused(model_file):
    arithmetic = model_file.arithmetic | {"rounding": "up"}
    with pytest.raises(ValueError, match=r"must be among .*got \['rounding'\]"):
        build_model(model_file._replace(arithmetic=arithmetic))
