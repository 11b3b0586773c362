"""The smoke configurations as they are, but for their length.

And for their convolutions, XLA's own, which compile in half the time.
"""

import numpy as np
import pytest

from styleflax.cli.train import parse_arguments
from styleflax.inference.stylizer import Stylizer
from styleflax.training import loop
from styleflax.training.checkpoint import read_metrics
from styleflax.training.export import read_run
from styleflax.weights.store import save_model

OTHERS = ("smoke_johnson", "smoke_cin", "smoke_sanet")


@pytest.mark.parametrize(
    "name", ["smoke", *(pytest.param(name, marks=pytest.mark.slow) for name in OTHERS)]
)
def test_a_smoke_configuration_trains_and_its_model_makes_a_picture(name, tmp_path):
    workdir = tmp_path / "run"
    flags = [f"--config=configs/{name}.py", f"--workdir={workdir}"]
    flags += [f"--config.data.data_dir={tmp_path}", "--config.options.native=True"]
    phases = len(parse_arguments(flags)[0].phases)
    for phase in range(phases):
        flags += [f"--config.phases[{phase}].steps={2 // phases}"]
        flags += [f"--config.phases[{phase}].schedule.warmup_steps=0"]
    config, _ = parse_arguments(flags)
    loop.train(config, workdir)
    losses = [row["loss"] for row in read_metrics(workdir)]
    assert len(losses) == 2
    assert np.isfinite(losses).all()
    save_model(tmp_path / "model.safetensors", read_run(workdir))
    stylizer = Stylizer.load(tmp_path / "model.safetensors")
    content = np.random.default_rng(0).random((32, 32, 3), np.float32)
    style = {"smoke_johnson": "style", "smoke_cin": "2"}.get(name, content)
    assert stylizer(content, style).array.shape == content.shape
