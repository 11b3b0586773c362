"""What travels to a lent machine and back, for `accelerator_train.py`."""

import hashlib
import json
import subprocess
import tempfile
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from styleflax.images.decoding import ImageError
from styleflax.images.files import load_image_u8, resize_short_side
from styleflax.images.listing import list_images
from styleflax.weights.store import ModelFile, find_model, load_model, save_model

MOST_MIB = 62
"""Two less than a call may take."""
MOST_FILES = 8
PIECE_BYTES = 15 * 2**20


def pack(
    folders: Mapping[str, Sequence[Path]],
    out: Path,
    num_bytes: int,
    short_px: int,
    quality: int,
) -> dict[str, int]:
    """Writes pictures as JPEG files in a zip file; returns how many of each role.

    Args:
        folders: By role, "content" and "style", which get as many bytes each.
        out: The zip file.
        num_bytes: Its size, at most.
        short_px: Short side to which larger pictures are resized.
        quality: Quality of the JPEG files, 1 to 95.
    """
    counts = {}
    with zipfile.ZipFile(out, "w", zipfile.ZIP_STORED) as file:
        for role, places in folders.items():
            paths = sorted(path for place in places for path in list_images(place))
            # The same ones every time, from all over the folders.
            order = np.random.default_rng(0).permutation(len(paths))
            left, counts[role] = num_bytes // len(folders), 0
            for number in order:
                try:
                    data = _jpeg(paths[number], short_px, quality)
                except ImageError:
                    continue
                size = len(data) + 256  # entries have headers at both places
                if size > left:
                    break
                left -= size
                file.writestr(
                    f"{role}/{number:06d}_{paths[number].stem[:40]}.jpg", data
                )
                counts[role] += 1
    return counts


def _jpeg(path: Path, short_px: int, quality: int) -> bytes:
    image_u8 = load_image_u8(path)
    if min(image_u8.shape[:2]) > short_px:
        image_u8 = np.asarray(resize_short_side(image_u8, short_px))
    with tempfile.SpooledTemporaryFile() as file:
        Image.fromarray(image_u8).save(file, "JPEG", quality=quality)
        file.seek(0)
        return file.read()


def count_bytes(root: Path, also: Sequence[Path], without: Sequence[Path]) -> int:
    """Bytes of what travels: tracked files, others that git does not ignore, and more.

    Args:
        root: The checkout.
        also: Files that are carried although git ignores them.
        without: Files that are moved away for the call.
    """
    command = ["git", "-C", str(root), "ls-files", "-z", "-co", "--exclude-standard"]
    listed = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    inside = {(root / name).resolve() for name in listed.split("\0") if name}
    left = {path.resolve() for path in without} | {
        (root / path).resolve() for path in without
    }
    files = (inside - left) | {path.resolve() for path in also}
    return sum(path.stat().st_size for path in files if path.is_file())


def split(model: ModelFile, out: Path, name: str, *, keep_encoder: bool) -> list[Path]:
    """Writes the trained parts of a model in pieces, with a description.

    Args:
        model: All of it.
        out: Folder.
        name: Name of the files: NAME.000, NAME.001 and so on, and NAME.json.
        keep_encoder: Whether the encoder was trained, too.
    """
    out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        whole = save_model(Path(folder) / "whole.safetensors", model)
        own = model if keep_encoder else model._replace(encoder_params={})
        save_model(Path(folder) / "own.safetensors", own)
        data = (Path(folder) / "own.safetensors").read_bytes()
    parts = [data[i : i + PIECE_BYTES] for i in range(0, len(data), PIECE_BYTES)]
    paths = [out / f"{name}.{number:03d}" for number in range(len(parts))]
    for path, part in zip(paths, parts, strict=True):
        path.write_bytes(part)
    description = {
        "pieces": [path.name for path in paths],
        "sha256": hashlib.sha256(data).hexdigest(),
        "model": whole,
        "encoder": [] if keep_encoder else sorted(model.encoder_params),
    }
    (out / f"{name}.json").write_text(json.dumps(description, indent=1) + "\n")
    return [*paths, out / f"{name}.json"]


def join(description: Path, encoder: str, out: Path) -> None:
    """Writes the model file of pieces and an encoder.

    Args:
        description: What `split` wrote beside the pieces.
        encoder: A model file, or a name, that holds the encoder.
        out: The file.

    Raises:
        ValueError: Pieces are damaged, or the encoder is not the one that was
            trained with.
    """
    known = json.loads(description.read_text("utf-8"))
    data = b"".join(
        (description.parent / name).read_bytes() for name in known["pieces"]
    )
    if hashlib.sha256(data).hexdigest() != known["sha256"]:
        raise ValueError(f"the pieces beside {description} are not those it describes")
    if known["encoder"] and not encoder:
        raise ValueError("--encoder must be the weights that the training began with")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "own.safetensors"
        path.write_bytes(data)
        model = load_model(path)
    if known["encoder"]:
        params = dict(_encoder_of(encoder, known["encoder"]))
        model = model._replace(encoder_params=params)
    aside = out.with_suffix(".part.safetensors")
    if save_model(aside, model) != known["model"]:
        aside.unlink()
        raise ValueError(
            f"the encoder of {encoder!r} is not the one that was trained with"
        )
    aside.replace(out)


def _encoder_of(name: str, layers: Sequence[str]) -> Iterator[tuple[str, object]]:
    params = load_model(find_model(name)).encoder_params
    for layer in layers:
        if layer not in params:
            raise ValueError(f"the encoder of {name!r} lacks the layer {layer}")
        yield layer, params[layer]
