r"""The training step of two checkouts in one interleaved run, and whether they agree.

    git worktree add ../before af91bda
    python benchmarks/step_of_two.py ../before . [--repeats 15] \
        [--second GLIBC_TUNABLES=glibc.malloc.hugetlb=1]

Each checkout runs in a process of its own, as it sets up JAX itself, with the packages
of this environment; they take turns, step by step. The step is that of the last phase
of `configs/adain.py` (4 pairs of 128 px) with the weights of the packaged `adain`, on
photographs of scikit-image. `--second` sets a variable of the environment for the
second checkout alone, as its Makefile does. Printed are the medians, their ratio, and
how far the terms and the gradient of the second are from the first's, relative.
"""

import argparse
import importlib
import importlib.util
import os
import pickle
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np


def worker() -> None:
    """Writes terms and gradient, then takes a step for every line that it reads."""
    import jax  # noqa: PLC0415  (after styleflax, which sets its flags)

    from configs.adain import get_config  # noqa: PLC0415
    from styleflax.methods.base import Variables  # noqa: PLC0415
    from styleflax.parallel import map_step, replicate  # noqa: PLC0415
    from styleflax.weights.store import load_model  # noqa: PLC0415

    build_method = find("build_method", "training.phases", "training.build")
    make_optimizer = find("make_optimizer", "training.step", "training.optimizer")
    create_state = find("create_state", "training.step", "training.state")
    make_train_step = find("make_train_step", "training.step")
    find_model = find(
        "find_model", "weights.store", "weights.model_files", "weights.packaged_models"
    )

    config = get_config("5")
    phase = config.phases[0]
    method, file = build_method(config, phase), load_model(find_model("adain"))
    variables = Variables({"model": file.players["model"]}, {})
    frozen = {"encoder": file.encoder_params}
    batch = crops(phase.batch_size, phase.crop_px)
    floats = {k: np.float32(v) / 255 for k, v in batch.items()}
    loss = jax.jit(jax.value_and_grad(method.losses["model"], has_aux=True))
    (value, (terms, _)), gradient = jax.device_get(
        loss(variables.players["model"], variables, frozen, floats, jax.random.key(0))
    )
    reply({"loss": value, **terms}, gradient)
    optimizer = make_optimizer(config.optimizer)
    step = make_train_step(method, optimizer, lambda _: np.float32(1e-6))
    devices = jax.devices()[:1]
    mapped = map_step(step, devices, config.run.parallel)
    state = create_state(method, optimizer, 0)._replace(variables=variables)
    state, frozen = replicate(state, devices), replicate(frozen, devices)
    for _ in sys.stdin.buffer:
        begun, busy = time.perf_counter(), time.process_time()
        state, metrics = mapped(state, frozen, batch)
        jax.block_until_ready((state, metrics))
        reply(time.perf_counter() - begun, time.process_time() - busy)


def find(name: str, *modules: str) -> Any:
    """The function of that name in the first module that has it: modules were merged.

    Raises:
        ImportError: If none has it.
    """
    for module in modules:
        if importlib.util.find_spec(f"styleflax.{module}"):
            found = getattr(importlib.import_module(f"styleflax.{module}"), name, None)
            if found is not None:
                return found
    raise ImportError(f"no {name} in {', '.join(modules)}")


def crops(count: int, side_px: int) -> dict[str, np.ndarray]:
    """Squares of scikit-image's photographs, as bytes."""
    from skimage import data  # noqa: PLC0415

    photos = (data.astronaut(), data.chelsea(), data.coffee(), data.rocket())
    chosen = [photos[i % len(photos)] for i in range(2 * count)]
    places = [(17 * i % 90, 29 * i % 150) for i in range(2 * count)]
    squares = [
        photo[top : top + 2 * side_px : 2, left : left + 2 * side_px : 2]
        if min(photo.shape[0] - top, photo.shape[1] - left) >= 2 * side_px
        else photo[top : top + side_px, left : left + side_px]
        for photo, (top, left) in zip(chosen, places, strict=True)
    ]
    # Neighbours are of different photographs: a content is not its own style.
    return {"content": np.stack(squares[::2]), "style": np.stack(squares[1::2])}


def reply(*values: Any) -> None:
    """Hands values to the process that asked for them."""
    content = pickle.dumps(values)
    OUT.write(len(content).to_bytes(8, "big") + content)
    OUT.flush()


class Checkout:
    """The worker of one checkout."""

    def __init__(self, folder: Path, variables: dict[str, str]) -> None:
        path = os.pathsep.join(
            (str(folder.resolve()), os.environ.get("PYTHONPATH", ""))
        )
        self._process = subprocess.Popen(
            [sys.executable, str(Path(__file__).resolve()), "--worker"],
            cwd=folder,
            env=os.environ
            | variables
            | {"PYTHONPATH": path, "STYLEFLAX_COMPILATION_CACHE": "off"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        self.terms, self.gradient = self._read()

    def step(self) -> tuple[float, float]:
        """Seconds and CPU seconds of one step."""
        assert self._process.stdin
        self._process.stdin.write(b"step\n")
        self._process.stdin.flush()
        return self._read()

    def close(self) -> None:
        """Lets the worker end."""
        self._process.communicate()

    def _read(self) -> Any:
        assert self._process.stdout
        size = int.from_bytes(self._process.stdout.read(8), "big")
        return pickle.loads(self._process.stdout.read(size))


def differences(first: Checkout, second: Checkout) -> dict[str, float]:
    """How far terms and gradient are apart, relative to the first's."""
    apart = {
        name: abs(float(second.terms[name]) - float(value)) / abs(float(value))
        for name, value in first.terms.items()
    }
    flat = [
        np.concatenate(
            [np.ravel(one[k][j]) for k in sorted(one) for j in sorted(one[k])]
        )
        for one in (first.gradient, second.gradient)
    ]
    norm = np.linalg.norm(flat[0])
    return apart | {"gradient": float(np.linalg.norm(flat[1] - flat[0]) / norm)}


def main() -> None:
    """Compares two checkouts."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("checkouts", nargs=2, type=Path)
    parser.add_argument("--repeats", type=int, default=15)
    parser.add_argument("--second", action="append", default=[], metavar="NAME=VALUE")
    options = parser.parse_args()
    variables = dict(text.split("=", 1) for text in options.second)
    first, second = options.checkouts
    checkouts = [Checkout(first, {}), Checkout(second, variables)]
    for name, value in differences(*checkouts).items():
        print(f"{name:24} {value:.1e}")
    for checkout in checkouts:  # the first one compiles
        checkout.step()
    turns = [[c.step() for c in checkouts] for _ in range(options.repeats)]
    for kind, place in (("seconds", 0), ("CPU seconds", 1)):
        times = [[turn[i][place] for turn in turns] for i in (0, 1)]
        medians = [statistics.median(x) for x in times]
        least = [min(x) for x in times]
        print(
            f"{kind:12} median {medians[0]:.3f} {medians[1]:.3f}, "
            f"{medians[0] / medians[1]:.2f} times as fast; "
            f"least {least[0]:.3f} {least[1]:.3f}, {least[0] / least[1]:.2f} times"
        )
    for checkout in checkouts:
        checkout.close()


if __name__ == "__main__":
    if sys.argv[1:] == ["--worker"]:
        OUT, sys.stdout = sys.stdout.buffer, sys.stderr
        worker()
    else:
        main()
