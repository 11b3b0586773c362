"""Which files of the package a call enters: what a reader has to open to follow it.

    python benchmarks/hops.py            # the counts beside their bars
    python benchmarks/hops.py --list     # and the files, in the order of entry

A file counts if one of its functions runs; what runs while modules are imported does
not count. Programs of earlier runs are not used, so that methods and networks are
traced. Pictures have 64 px, the model is AdaIN:

- `styleflax stylize` with one photo and one painting;
- `Stylizer.__call__` with the paths of both;
- a train step: what `training/loop.py` runs from the beginning of a phase to the end of
  its first step, and that with what `train.py` does before the loop begins. Opening a
  run (its folder, data sets, encoder, checkpoints) stands beside it, without a bar.
"""

import argparse
import os
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import CodeType, FrameType
from typing import Any, NamedTuple

from PIL import Image

from styleflax import Stylizer
from styleflax.art import FAMILIES, paint
from styleflax.cli import main as run_command
from styleflax.cli import train
from styleflax.images.listing import held_out_photo

ROOT = Path(__file__).parents[1]
PICTURES = ("photo.png", "painting.png")
BARS = {"styleflax stylize": 30, "Stylizer.__call__": 22, "train.py": 20, "a step": 12}
CONFIG = """
from styleflax.config import Config, Phase

def get_config():
    phase = Phase(steps=1, batch_size=1, crop_px=64, resize_px=64)
    return Config(phases=(phase,))
"""
"""AdaIN by its paper's losses, for one step."""


class Place(NamedTuple):
    """A function of the package, by the file below its root and by its name."""

    file: str
    function: str


LOOP = Place("training/loop.py", "train")
PHASE = Place("training/loop.py", "_run_phase")
LOG = Place("training/loop.py", "_log")
"""Follows the first step."""


class Trace:
    """Files that are entered, in order, in parts that begin where a place is entered.

    Attributes:
        parts: The files of each part; the first begins at once.

    Args:
        cuts: Places at whose first entry the next part begins.
    """

    def __init__(self, *cuts: Place) -> None:
        self.parts: list[dict[str, None]] = [{}]
        self._cuts = list(cuts)
        self._importing: dict[int, int] = {}
        self._places: dict[CodeType, Place | None] = {}

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Within the block the calls of all threads are watched."""
        threading.setprofile(self._hear)
        sys.setprofile(self._hear)
        try:
            yield
        finally:
            sys.setprofile(None)
            threading.setprofile(None)

    def _hear(self, frame: FrameType, event: str, _: Any) -> None:
        if event not in ("call", "return"):
            return
        thread = threading.get_ident()
        if frame.f_code.co_name == "<module>":
            change = 1 if event == "call" else -1
            self._importing[thread] = self._importing.get(thread, 0) + change
        if event == "return" or self._importing.get(thread):
            return
        place = self._place(frame.f_code)
        if place is None:
            return
        if place in self._cuts[:1]:
            self._cuts.pop(0)
            self.parts.append({})
        self.parts[-1].setdefault(place.file)

    def _place(self, code: CodeType) -> Place | None:
        if code not in self._places:
            place, package = None, ROOT / "styleflax"
            if Path(code.co_filename).is_relative_to(package):
                file = Path(code.co_filename).relative_to(package)
                place = Place(file.as_posix(), code.co_name)
            self._places[code] = place
        return self._places[code]


def trace_command(photo: Path, painting: Path, out: Path) -> list[str]:
    """Returns the files of `styleflax stylize`."""
    sys.argv = ["styleflax", "stylize", str(photo), "--style", str(painting)]
    sys.argv += ["-o", str(out)]
    trace = Trace()
    with suppress(SystemExit), trace.watching():
        run_command()
    assert out.is_file()
    return [*trace.parts[0]]


def trace_call(photo: Path, painting: Path) -> list[str]:
    """Returns the files of `Stylizer.__call__`."""
    stylizer, trace = Stylizer.load("adain"), Trace()
    with trace.watching():
        stylizer(photo, painting)
    return [*trace.parts[0]]


def trace_training(pictures: Path, run: Path) -> list[list[str]]:
    """Returns the files before the loop, of opening a run, and of a step."""
    config = run.with_suffix(".py")
    config.write_text(CONFIG)
    spec = f"image_folder:{pictures}"
    data = [f"--config.data.{name}={spec}" for name in ("content", "style")]
    trace = Trace(LOOP, PHASE, LOG)
    with trace.watching():
        train.main(["train.py", f"--config={config}", f"--workdir={run}", *data])
    return [[*part] for part in trace.parts[:3]]


def _prepare(folder: Path) -> None:
    folder.mkdir()
    photo = Image.open(held_out_photo()).convert("RGB").resize((64, 64))
    painting = Image.fromarray(paint(FAMILIES[0], 1, 64))
    for name, picture in zip(PICTURES, (photo, painting), strict=True):
        picture.save(folder / name)


def main() -> None:
    """Prints the counts; ends with code 1 where one is above its bar."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument(
        "--list", action="store_true", help="also print the names of the files"
    )
    shows_files = parser.parse_args().list
    os.environ["STYLEFLAX_COMPILATION_CACHE"] = "off"
    with tempfile.TemporaryDirectory() as name:
        folder, pictures = Path(name), Path(name) / "pictures"
        _prepare(pictures)
        photo, painting = (pictures / name for name in PICTURES)
        command = trace_command(photo, painting, folder / "out.png")
        call = trace_call(photo, painting)
        before, opening, step = trace_training(pictures, folder / "run")
    whole = [*dict.fromkeys([*before, *step])]
    counted = dict(zip(BARS, (command, call, whole, step), strict=True))
    for what, files in {**counted, "opening a run": opening}.items():
        bar = BARS.get(what)
        verdict = "ABOVE" if bar is not None and len(files) > bar else "ok"
        told = "no bar" if bar is None else f"bar {bar}: {verdict}"
        print(f"{what:18} {len(files):3} files, {told}")
        if shows_files:
            print("".join(f"    {file}\n" for file in files), end="")
    sys.exit(any(len(files) > BARS[what] for what, files in counted.items()))


if __name__ == "__main__":
    main()
