"""Does training in bfloat16 come as far as in float32? Mean loss of the last steps.

    python benchmarks/precision.py
    python benchmarks/precision.py --method=sanet --steps=300 --crop=64

Both train the configuration's way, on the same batches of the photographs in
scikit-image and of procedural paintings, from the same parameters, taking turns.
bfloat16 is the networks' compute type; parameters, statistics and losses are float32.
"""

import argparse
import json
import tempfile
from pathlib import Path

import jax
import numpy as np
from training_step import LOSSES

from styleflax.config import Config, Data, Encoder, Phase, Run, Schedule
from styleflax.parallel import local_devices, map_step, replicate
from styleflax.training.encoder import open_encoder, start_from
from styleflax.training.phases import build_method
from styleflax.training.sources import open_sources, phase_batches
from styleflax.training.step import (
    create_state,
    make_optimizer,
    make_schedule,
    make_train_step,
)
from styleflax.weights.store import find_model

TYPES = ("float32", "bfloat16")
WINDOW = 50
BAR = 0.05


def make_config(options: argparse.Namespace) -> Config:
    """The styles' losses from the packaged AdaIN weights, as SANet's training has."""
    phase = Phase(
        steps=options.steps,
        batch_size=options.batch,
        crop_px=options.crop,
        resize_px=2 * options.crop,
        losses=LOSSES[options.method],
        schedule=Schedule("cosine", options.rate, warmup_steps=10),
    )
    return Config(
        method=options.method,
        data=Data("sample_photos", "procedural_art:num_pictures=24,size_px=160,seed=1"),
        encoder=Encoder(num_images=8),
        init_from=str(find_model("adain")),
        phases=(phase,),
        run=Run(remat=options.remat),
    )


def histories(config: Config, folder: Path) -> dict[str, list[float]]:
    """Losses at every step by compute type."""
    config.data.data_dir = str(folder)
    sources, devices = open_sources(config), local_devices(1)
    optimizer, phase = make_optimizer(config.optimizer), config.phases[0]
    schedule = make_schedule(phase.schedule, phase.steps)
    steps, states, losses = {}, {}, {name: [] for name in TYPES}
    for name in TYPES:
        config.compute_dtype = name
        method = build_method(config, phase)
        steps[name] = map_step(make_train_step(method, optimizer, schedule), devices)
        state = create_state(method, optimizer, config.seed)
        variables = start_from(config.init_from, config.method, state.variables)
        states[name] = replicate(state._replace(variables=variables), devices)
    encoder = open_encoder(config, method, folder, sources)
    frozen = replicate({"encoder": encoder.encoder_params}, devices)
    batches = phase_batches(config, sources, 0)(0)
    for _ in range(phase.steps):
        batch = next(batches)
        for name in TYPES:
            states[name], metrics = steps[name](states[name], frozen, batch)
            losses[name].append(float(metrics["loss"]))
    skipped = {name: int(state.skipped) for name, state in states.items()}
    if any(skipped.values()):
        print(f"steps that were skipped: {skipped}")
    assert {x.dtype.name for x in jax.tree.leaves(states["bfloat16"].variables)} == {
        "float32"
    }
    return losses


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--method", choices=sorted(LOSSES), default="adain")
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--batch", type=int, default=2)
    parser.add_argument("--crop", type=int, default=64, help="side of the crops in px")
    parser.add_argument("--rate", type=float, default=1e-4)
    parser.add_argument(
        "--remat",
        action="store_true",
        help="recompute the encoder; see config.run.remat",
    )
    parser.add_argument("--out", type=Path, help="JSON file for both histories")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        losses = histories(make_config(options), Path(folder))
    if options.out:
        options.out.write_text(json.dumps(losses))
    first, last = (
        {name: float(np.mean(x[part])) for name, x in losses.items()}
        for part in (slice(WINDOW), slice(-WINDOW, None))
    )
    for name in TYPES:
        print(f"{name}: mean loss {first[name]:.5g} at first, {last[name]:.5g} at last")
    ratio = last["bfloat16"] / last["float32"]
    verdict = "within" if abs(ratio - 1) <= BAR else "NOT within"
    print(f"ratio of the last {WINDOW} steps: {ratio:.4f}, {verdict} {BAR:.0%}")
