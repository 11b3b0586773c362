import pytest

from styleflax.config import read_options
from styleflax.methods import METHODS, build, features, model
from styleflax.methods.base import Method

OPTIONS = {"cin": {"styles": ["a", "b"]}, "johnson": {"styles": ["a"]}}


@pytest.mark.parametrize("name", sorted(METHODS))
def test_a_method_that_is_not_trained_builds_no_losses(name, monkeypatch):
    def find(*_):
        raise AssertionError

    options = read_options(name, OPTIONS.get(name, {}))
    trained = build(name, options=options)
    monkeypatch.setattr(features, "find_style_loss", find)
    method = build(name, options=options, trains=False)
    assert method.controls == trained.controls
    assert method.encoder_layers == trained.encoder_layers
    with pytest.raises(AssertionError):
        build(name, options=options)


def test_a_method_of_somebody_elses_need_not_have_losses(monkeypatch):
    def make_mean():
        return build("adain")

    monkeypatch.setattr(model, "METHODS", {**METHODS, "mean": make_mean})
    assert isinstance(build("mean", trains=False), Method)
