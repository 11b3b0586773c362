"""Mutates pictures of every format: each must be read, or refused in one line.

    python benchmarks/fuzz_pictures.py --cases=10000

A case is a number, which decides all of it; `--case=N` runs it again. What is read is
also written, in a format drawn at random, and read back. Counted as faults: any
exception but ImageError, a message of several lines, a wrong shape, half a file,
more than a minute, and the end of the process: the cases run in a child.
"""

import argparse
import faulthandler
import io
import subprocess
import sys
import tempfile
import time
import warnings
import zlib
from collections import Counter
from pathlib import Path

import numpy as np
from PIL import Image

from styleflax.art import FAMILIES, paint
from styleflax.images.decoding import ImageError, register_heif
from styleflax.images.files import SUFFIXES_WRITTEN, decode_image_u8, write_picture
from styleflax.images.read import read_picture, srgb_profile

MAX_MEGAPIXELS = 4.0  # so that a header made large by chance costs no seconds
HANG_S = 60
EXTREMES = (0, 1, 0x7F, 0xFF, 0x7FFF, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF)
FAULT = 3
"""Exit code of a child that met a fault; others are its crashes."""


def kinds() -> dict[str, tuple[Image.Image, str, dict[str, object]]]:
    """Sound pictures of every format and kind, and how they are encoded."""
    rgb = Image.fromarray(paint(FAMILIES[0], 1, 40)).crop((0, 0, 40, 32))
    other = Image.fromarray(paint(FAMILIES[3], 2, 40)).crop((0, 0, 40, 32))
    clear = rgb.copy()
    clear.putalpha(other.convert("L"))
    exif = Image.Exif()
    exif[0x0112], exif[0x010F], exif[0x8825] = 6, "A camera", {1: "N", 2: (1, 2, 3)}
    meta = {"exif": exif.tobytes(), "icc_profile": srgb_profile()}
    gray16 = Image.fromarray(np.asarray(rgb.convert("L")).astype(np.uint16) * 257)
    frames = {"save_all": True, "append_images": [other]}
    return {
        "jpeg": (rgb, "JPEG", meta),
        "jpeg progressive": (rgb, "JPEG", {"progressive": True}),
        "jpeg gray": (rgb.convert("L"), "JPEG", {}),
        "jpeg cmyk": (rgb.convert("CMYK"), "JPEG", {}),
        "jpeg stereo": (rgb, "MPO", frames),
        "png": (rgb, "PNG", meta),
        "png alpha": (clear, "PNG", {}),
        "png palette": (rgb.convert("P"), "PNG", {"transparency": 3}),
        "png 16 bits": (gray16, "PNG", {}),
        "png 1 bit": (rgb.convert("1"), "PNG", {}),
        "webp": (rgb, "WEBP", meta),
        "webp lossless": (clear, "WEBP", {"lossless": True}),
        "webp frames": (rgb, "WEBP", frames),
        "tiff": (rgb, "TIFF", meta),
        "tiff lzw": (clear, "TIFF", {"compression": "tiff_lzw"}),
        "tiff deflate": (rgb, "TIFF", {"compression": "tiff_adobe_deflate"}),
        "tiff jpeg": (rgb, "TIFF", {"compression": "jpeg"}),
        "tiff fax": (rgb.convert("1"), "TIFF", {"compression": "group4"}),
        "tiff 16 bits": (gray16, "TIFF", {}),
        "tiff float": (rgb.convert("F"), "TIFF", {}),
        "tiff cmyk": (rgb.convert("CMYK"), "TIFF", {}),
        "gif": (rgb, "GIF", {}),
        "gif frames": (rgb, "GIF", frames),
        "bmp": (rgb, "BMP", {}),
        "bmp palette": (rgb.convert("P"), "BMP", {}),
        "ppm": (rgb, "PPM", {}),
        "ppm gray": (gray16, "PPM", {}),
        "heic": (rgb, "HEIF", meta),
        "heic alpha": (clear, "HEIF", {}),
    }


def originals() -> dict[str, bytes]:
    """Small files, so that mutations hit what matters; HEIC where it can be read."""
    try:
        register_heif()
    except ImportError as error:
        print(f"without HEIC: {error}")
    encoded = {}
    for name, (image, kind, options) in kinds().items():
        file = io.BytesIO()
        if kind != "HEIF" or "HEIF" in Image.SAVE:
            image.save(file, format=kind, **options)
            encoded[name] = file.getvalue()
    return encoded


def mutated(name: str, files: dict[str, bytes], rng: np.random.Generator) -> bytes:
    """One of the files after one to three mutations."""
    data = bytearray(files[name])
    for _ in range(rng.integers(1, 4)):
        if len(data) > 8:
            _mutate(data, list(files.values())[rng.integers(len(files))], rng)
    # Otherwise nearly all that is tried of PNG ends at its checksums.
    return _with_checksums(bytes(data)) if rng.random() < 0.8 else bytes(data)


def _mutate(data: bytearray, other: bytes, rng: np.random.Generator) -> None:
    near = rng.random() < 0.5  # what is at the beginning steers the decoder
    reach = min(len(data), 400) if near else len(data)
    at = int(rng.integers(reach))
    length = int(rng.integers(1, 1 + min(64, len(data))))
    match rng.integers(8):
        case 0:
            for place in rng.integers(0, reach, rng.integers(1, 9)):
                data[place] ^= 1 << int(rng.integers(8))
        case 1:
            data[at : at + length] = rng.bytes(length)
        case 2:
            del data[at:]
        case 3:
            del data[at : at + length]
        case 4:
            data[at:at] = data[at : at + length]
        case 5:
            data[at:at] = rng.bytes(length)
        case 6:
            size = int(rng.choice((1, 2, 4)))
            value = EXTREMES[rng.integers(len(EXTREMES))] % (1 << (8 * size))
            order = "big" if rng.random() < 0.5 else "little"
            data[at : at + size] = value.to_bytes(size, order)
        case _:
            data[at:] = other[at:]


def _with_checksums(data: bytes) -> bytes:
    """A PNG with the checksums of its chunks made right; other data as they are."""
    if not data.startswith(b"\x89PNG"):
        return data
    made, at = bytearray(data), 8
    while at + 12 <= len(made):
        end = at + 8 + int.from_bytes(made[at : at + 4], "big")
        if end + 4 > len(made):
            break
        made[end : end + 4] = zlib.crc32(made[at + 4 : end]).to_bytes(4, "big")
        at = end + 4
    return bytes(made)


def run_case(data: bytes, folder: Path, rng: np.random.Generator) -> str:
    """Reads and writes; returns "picture" or "refused", and raises on a fault."""
    try:
        if rng.random() < 0.25:
            decode_image_u8(data, max_megapixels=MAX_MEGAPIXELS)  # as training does
        picture = read_picture(data, max_megapixels=MAX_MEGAPIXELS)
    except ImageError as error:
        _check(0 < len(str(error)) < 400 and "\n" not in str(error), repr(str(error)))
        _check(not list(folder.iterdir()), "something was left")
        return "refused"
    height, width, channels = picture.rgb_u8.shape
    _check(min(height, width) >= 16 and channels == 3, str(picture.rgb_u8.shape))
    _check(picture.rgb_u8.dtype == np.uint8, str(picture.rgb_u8.dtype))
    alpha_u8 = picture.alpha_u8
    _check(alpha_u8 is None or alpha_u8.shape == (height, width), "alpha's shape")
    target = folder / f"out{sorted(SUFFIXES_WRITTEN)[rng.integers(7)]}"
    try:
        write_picture(picture, target)
    except ImageError as error:
        _check("\n" not in str(error), repr(str(error)))
        _check(not list(folder.iterdir()), "half a file was left")
        return "refused"
    back = read_picture(target)
    _check(back.rgb_u8.shape == picture.rgb_u8.shape, f"came back {back.rgb_u8.shape}")
    _check(not back.notes, f"written with {back.notes}")
    target.unlink()
    _check(not list(folder.iterdir()), "something was left")
    return "picture"


def _check(holds: bool, what: str) -> None:
    if not holds:
        raise AssertionError(what)


def run_cases(seed: int, first: int, last: int, progress: Path) -> int:
    """Runs cases in this process; the number of the one at work is in `progress`."""
    warnings.simplefilter("ignore")  # Pillow's remarks, thousands of them
    files = originals()
    names = list(files)
    counts: Counter[tuple[str, str]] = Counter()
    slowest = (0.0, first)
    with tempfile.TemporaryDirectory() as folder:
        for case in range(first, last):
            progress.write_text(str(case))
            faulthandler.dump_traceback_later(HANG_S, exit=True)
            rng = np.random.default_rng([seed, case])
            name = names[case % len(names)]
            data = mutated(name, files, rng)
            started = time.perf_counter()
            try:
                counts[name.split()[0], run_case(data, Path(folder), rng)] += 1
            except Exception as error:
                print(f"FAULT in case {case} ({name}): {error!r}")
                return FAULT
            slowest = max(slowest, (time.perf_counter() - started, case))
    faulthandler.cancel_dump_traceback_later()
    for name in dict.fromkeys(name.split()[0] for name in names):
        made, refused = counts[name, "picture"], counts[name, "refused"]
        print(f"{name:5} {made:6} pictures {refused:6} refused")
    print(f"slowest: case {slowest[1]}, {slowest[0]:.2f} s")
    return 0


def main() -> int:
    """Runs the cases in children, so that a crash is one fault among others."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cases", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--case", type=int, help="run only this case, in this process")
    parser.add_argument("--part", nargs=2, type=int, help=argparse.SUPPRESS)
    parser.add_argument("--progress", type=Path, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.part:
        return run_cases(args.seed, *args.part, args.progress)
    with tempfile.TemporaryDirectory() as folder:
        progress = Path(folder) / "case"
        if args.case is not None:
            return run_cases(args.seed, args.case, args.case + 1, progress)
        first, faults = 0, 0
        while first < args.cases:
            command = [sys.executable, __file__, f"--seed={args.seed}"]
            command += [f"--progress={progress}", "--part", str(first), str(args.cases)]
            code = subprocess.run(command, check=False).returncode
            if code == 0:
                break
            case = int(progress.read_text())
            faults += 1
            if code != FAULT:
                print(f"FAULT in case {case}: the process ended with {code}")
            first = case + 1  # the counts printed are those since the last fault
    print(f"{args.cases} cases, {faults} faults", flush=True)
    return int(faults > 0)


if __name__ == "__main__":
    sys.exit(main())
