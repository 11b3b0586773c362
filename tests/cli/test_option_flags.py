"""Flags of options, and of losses with settings of their own."""

import dataclasses

import pytest

from styleflax.cli.train import parse_arguments
from styleflax.config import StyleTerm


def test_losses_with_settings_can_be_given_another_weight():
    """Those that the configuration lists, too."""
    name = StyleTerm("gram_squared", ("relu1_2",))
    weights = {name: 0.25, "content": 3.0, StyleTerm("mmd_gaussian", gamma=0.5): 2.0}
    flags = [f"--config.phases[0].losses.{k}={v}" for k, v in weights.items()]
    command_line = ["--config=johnson_published", "--workdir=x"]
    before = parse_arguments(command_line)[0].phases[0].losses
    assert name in before
    config, _ = parse_arguments([*command_line, *flags])
    assert config.phases[0].losses == {**before, **weights}


@pytest.mark.parametrize(
    ("config", "flag", "value"),
    [
        ("smoke", "encoder=trained", "trained"),
        ("smoke_cin", 'styles=["one"]', ("one",)),
        ("smoke_cin", "styles=('one',)", ("one",)),
        ("smoke_cin", "pooling=average", "average"),
        ("smoke_cin", "kernel_std=None", None),
        ("cin_published", f"style_coefficients={[2.0] * 10}", (2.0,) * 10),
        ("johnson", "norm=batch", "batch"),  # the file has another
        ("smoke_johnson", "width=0.25", 0.25),
        ("smoke_johnson", "padding=mirror", "mirror"),
    ],
)
def test_options_are_set_whether_a_configuration_lists_them_or_not(config, flag, value):
    command_line = [f"--config={config}", "--workdir=x"]
    before = parse_arguments(command_line)[0].options
    name = flag.partition("=")[0]
    assert getattr(before, name) != value
    given, _ = parse_arguments([*command_line, f"--config.options.{flag}"])
    assert given.options == dataclasses.replace(before, **{name: value})


def test_options_and_the_losses_that_need_them_can_be_given_together():
    layers = '["relu2_2", "relu5_1"]'
    flags = [
        "--config.phases[0].losses.gram@relu5_1=1",
        f"--config.options.style_layers={layers}",
    ]
    config, _ = parse_arguments(["--config=smoke_cin", "--workdir=x", *flags])
    assert config.options.style_layers == ("relu2_2", "relu5_1")


def test_an_option_of_another_type_is_refused_with_what_it_must_be():
    flags = ["--config=smoke_cin", "--workdir=x", "--config.options.width=wide"]
    with pytest.raises(
        ValueError, match=r"options\.width must be a number, got 'wide'"
    ):
        parse_arguments(flags)
