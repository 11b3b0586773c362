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
    one = commands.add_parser("pack", help="pictures as JPEG files in one zip file")
    one.set_defaults(run=_pack)
    one.add_argument("--content", type=Path, required=True, nargs="+", help="folders")
    one.add_argument("--style", type=Path, required=True, nargs="+", help="folders")
    one.add_argument("-o", "--out", type=Path, required=True)
    one.add_argument("--mib", type=float, default=24.0, help="size of the file")
    one.add_argument("--short-px", type=int, default=384, help="short side")
    one.add_argument("--quality", type=int, default=88, help="of JPEG")
    one = commands.add_parser("count", help="MiB of what travels with a call")
    one.set_defaults(run=_count)
    one.add_argument("--root", type=Path, default=Path(__file__).parents[1])
    one.add_argument("--also", type=Path, nargs="*", default=[], help="carried files")
    one.add_argument("--without", type=Path, nargs="*", default=[], help="moved away")
    one = commands.add_parser("train", help="there, on the GPU")
    one.set_defaults(run=_train)
    one.add_argument("--config", required=True, help="a file, perhaps with :ARGUMENT")
    one.add_argument("--pictures", type=Path, required=True)
    one.add_argument("--out", type=Path, required=True, help="folder of what returns")
    one.add_argument("--init-from", default="", help="weights to begin with")
    one.add_argument("--encoder", default="", help="of the configuration, as sanet")
    one.add_argument("--minutes", type=float, default=8.0, help="of the whole command")
    one.add_argument("--steps", type=int, default=0, help="in place of measuring them")
    one.add_argument("--batch", type=int, default=16)
    one.add_argument("--dtype", default="bfloat16")
    one.add_argument("--rate", type=float, default=1.0, help="times learning rates")
    one = commands.add_parser("join", help="here: pieces and encoder as a model file")
    one.set_defaults(run=_join)
    one.add_argument("description", type=Path, help="the file NAME.json beside pieces")
    one.add_argument("--encoder", default="", help="model file or name that has it")
    one.add_argument("-o", "--out", type=Path, required=True)
    return parser


if __name__ == "__main__":
    sys.exit(main())
