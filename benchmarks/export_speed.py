"""Exported models on CPU against JAX: ONNX Runtime, and OpenVINO if it is installed.

    pip install ".[export]" openvino
    python benchmarks/export_speed.py --weights adain lite [--size 512] [--threads 2]

Every runtime stylizes one picture of `--size` px, warm, without files: with the
painting encoded each time, and with the encoded style kept, color step included. All
run in turn, the median of seven counts; nothing else should run meanwhile. Where it
must, `--cpu` counts the process's CPU seconds. Sizes of the exported files, and the
largest difference from JAX, stand beside.
"""

import argparse
import importlib.util
import tempfile
import time
from pathlib import Path

import numpy as np
from timing import Call, measure

from styleflax import Stylizer
from styleflax.export import export_model
from styleflax.export.runtime import ExportedModel, OnnxStylizer
from styleflax.export.runtime.model import read_manifest
from styleflax.images.files import load_image_u8, resize_short_side
from styleflax.images.listing import held_out_photo, training_photos

STORAGES = ("float32", "float16", "int8")


class OpenVinoModel(ExportedModel):
    """The same files, run by OpenVINO."""

    def __init__(self, folder: Path, threads: int | None) -> None:
        import openvino  # noqa: PLC0415  (if it is installed)

        self.manifest = read_manifest(folder)
        core = openvino.Core()
        settings = {"INFERENCE_PRECISION_HINT": "f32"}
        if threads is not None:
            settings["INFERENCE_NUM_THREADS"] = threads
        self._compiled = {
            part: core.compile_model(str(folder / entry["path"]), "CPU", settings)
            for part, entry in self.manifest["files"].items()
        }

    def run(self, part, feeds):
        """The outputs of one of the files."""
        made = self._compiled[part](dict(feeds))
        return {name: made[name] for name in self.manifest["files"][part]["outputs"]}


def read_arguments() -> argparse.Namespace:
    """Reads the command line."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--weights", nargs="+", default=["adain", "lite"])
    parser.add_argument("--size", type=int, default=512, help="side of the image in px")
    parser.add_argument(
        "--threads",
        type=int,
        help="number of threads of both runtimes; default: all cores",
    )
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--cpu", action="store_true", help="measure CPU seconds")
    return parser.parse_args()


def square(path: Path, side: int) -> np.ndarray:
    """The middle square of a photograph."""
    pixels = np.asarray(resize_short_side(load_image_u8(path), side))
    top, left = ((length - side) // 2 for length in pixels.shape[:2])
    return pixels[top : top + side, left : left + side]


def measured(weights: str, arguments: argparse.Namespace, folder: Path) -> None:
    """Prints sizes, times and differences of one model."""
    photo, painting = (
        square(path, arguments.size)
        for path in (held_out_photo(), training_photos()[0])
    )
    stylizers = {"JAX": Stylizer.load(weights, tile_px=0)}
    for storage in STORAGES:
        manifest = export_model(weights, folder / storage, storage=storage)
        megabytes = {k: f["bytes"] / 1e6 for k, f in manifest["files"].items()}
        sizes = ", ".join(f"{part} {size:.2f} MB" for part, size in megabytes.items())
        print(f"{weights}, {storage}: {sizes}")
        if storage != "float16":  # which runs as float32 does
            stylizers[f"ONNX Runtime, {storage}"] = OnnxStylizer(
                folder / storage, threads=arguments.threads
            )
    if importlib.util.find_spec("openvino"):
        model = OpenVinoModel(folder / "float32", arguments.threads)
        stylizers["OpenVINO, float32"] = OnnxStylizer(model)
    calls: dict[str, Call] = {}
    for name, stylizer in stylizers.items():
        style = stylizer.encode_style(painting)
        calls[f"{name}, style encoded"] = lambda s=stylizer: s(photo, painting)
        calls[f"{name}, style kept"] = lambda s=stylizer, x=style: s(photo, x)
    clock = time.process_time if arguments.cpu else time.perf_counter
    times = measure(calls, arguments.repeats, clock)
    expected = stylizers["JAX"](photo, painting).array
    for name, seconds in times.items():
        runtime, _, way = name.rpartition(", style ")
        ratio = times[f"JAX, style {way}"] / seconds
        made = calls[name]()
        off = np.abs(getattr(made, "array", made) - expected).max()
        print(
            f"{weights}, {arguments.size} px, {runtime:23} style {way:8} "
            f"{seconds:7.3f} s, {ratio:4.2f} of JAX's speed, max difference {off:.1e}"
        )


def main() -> None:
    """Measures every model in a folder that goes afterwards."""
    arguments = read_arguments()
    for weights in arguments.weights:
        with tempfile.TemporaryDirectory(prefix="styleflax-") as folder:
            measured(weights, arguments, Path(folder))


if __name__ == "__main__":
    main()
