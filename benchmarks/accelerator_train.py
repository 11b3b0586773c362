"""Training on a lent GPU within minutes: packed here, trained there, joined here.

    python benchmarks/accelerator_train.py pack --content PHOTOS --style PAINTINGS \
        -o pictures.zip --mib 24
    python benchmarks/accelerator_train.py count --also pictures.zip \
        --without styleflax/weights/files/sanet.safetensors
    python benchmarks/accelerator_train.py train --config configs/adain.py \
        --init-from adain --pictures pictures.zip --minutes 8 --out OUT
    python benchmarks/accelerator_train.py join OUT/adain.json --encoder adain \
        -o adain.safetensors

`train` needs what `accelerator.py` needs. The steps of the configuration's phases are
scaled so that they fill the time, by the measured speed of a step; whatever happens,
what has been trained by then is exported. Pictures are JPEG files in one zip file, and
decoded once to lie on the device. What comes back is the trained parts alone, in
pieces of at most 15 MiB, with a description: `join` makes the model file of them and of
the encoder, which has to be the one that was trained with, to the last bit.
"""

import argparse
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from accelerator_files import MOST_MIB, count_bytes, join, pack

MIB = 2**20


def _pack(flags: argparse.Namespace) -> int:
    folders = {"content": flags.content, "style": flags.style}
    counts = pack(
        folders, flags.out, round(flags.mib * MIB), flags.short_px, flags.quality
    )
    told = ", ".join(f"{number} of {role}" for role, number in counts.items())
    print(f"{flags.out}: {flags.out.stat().st_size / MIB:.1f} MiB, {told}")
    return 0


def _count(flags: argparse.Namespace) -> int:
    total = count_bytes(flags.root, flags.also, flags.without)
    is_small = total <= MOST_MIB * MIB
    verdict = "fits" if is_small else "DOES NOT FIT"
    print(f"{total / MIB:.1f} MiB travel; at most {MOST_MIB} MiB: {verdict}")
    return 0 if is_small else 1


def _train(flags: argparse.Namespace) -> int:
    from accelerator_run import train  # noqa: PLC0415  (takes seconds to import)

    return train(flags)


def _join(flags: argparse.Namespace) -> int:
    join(flags.description, flags.encoder, flags.out)
    print(flags.out)
    return 0


def main(arguments: list[str] | None = None) -> int:
    """Runs a command; the exit code is 1 where it failed."""
    flags = make_parser().parse_args(arguments)
    return flags.run(flags)


def make_parser() -> argparse.ArgumentParser:
    """Returns the reader of the command line."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    commands = parser.add_subparsers(required=True)
    one = commands.add_parser(
        "pack", help="pack images as JPEG files into one zip file"
    )
    one.set_defaults(run=_pack)
    one.add_argument(
        "--content", type=Path, required=True, nargs="+", help="folders of images"
    )
    one.add_argument(
        "--style", type=Path, required=True, nargs="+", help="folders of images"
    )
    one.add_argument("-o", "--out", type=Path, required=True)
    one.add_argument(
        "--mib", type=float, default=24.0, help="largest size of the file in MiB"
    )
    one.add_argument(
        "--short-px", type=int, default=384, help="short side of the images in px"
    )
    one.add_argument("--quality", type=int, default=88, help="quality of JPEG")
    one = commands.add_parser(
        "count", help="print the size of the files that travel with a call"
    )
    one.set_defaults(run=_count)
    one.add_argument("--root", type=Path, default=Path(__file__).parents[1])
    one.add_argument(
        "--also",
        type=Path,
        nargs="*",
        default=[],
        help="files to carry although git ignores them",
    )
    one.add_argument(
        "--without",
        type=Path,
        nargs="*",
        default=[],
        help="files to move away for the call",
    )
    _add_train(commands)
    one = commands.add_parser("join", help="join pieces and encoder to a model file")
    one.set_defaults(run=_join)
    one.add_argument("description", type=Path, help="file NAME.json next to the pieces")
    one.add_argument(
        "--encoder", default="", help="name of a model or model file with the encoder"
    )
    one.add_argument("-o", "--out", type=Path, required=True)
    return parser


def _add_train(commands: Any) -> None:
    """Adds the command that runs on the GPU."""
    one = commands.add_parser("train", help="train on the machine with the GPU")
    one.set_defaults(run=_train)
    one.add_argument(
        "--config", required=True, help="configuration file, optionally with :ARGUMENT"
    )
    one.add_argument("--pictures", type=Path, required=True)
    one.add_argument(
        "--out", type=Path, required=True, help="folder of the files to return"
    )
    one.add_argument("--init-from", default="", help="weights to start from")
    one.add_argument(
        "--encoder", default="", help="encoder of the configuration, for example sanet"
    )
    one.add_argument(
        "--minutes",
        type=float,
        default=8.0,
        help="time of the whole command in minutes",
    )
    one.add_argument(
        "--steps",
        type=int,
        default=0,
        help="number of steps, instead of fitting the time",
    )
    one.add_argument("--batch", type=int, default=16)
    one.add_argument("--dtype", default="bfloat16")
    one.add_argument("--rate", type=float, default=1.0, help="factor on learning rates")


if __name__ == "__main__":
    sys.exit(main())
