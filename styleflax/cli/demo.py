"""`styleflax demo`: a photograph that comes with a dependency, in painted styles."""

from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from styleflax.files import make_folder
from styleflax.images.listing import check_out_folder

# The paintings that configs/smoke.py trains on.
STYLE_SEED = 6 * 1_000_003
NUM_STYLES = 4
STYLE_SIZE_PX = 384
MIX = "mix"


def demo(
    out: Annotated[
        Path, typer.Option("-o", "--out", help="Folder for the results.")
    ] = Path("demo"),
    weights: Annotated[
        list[str] | None,
        typer.Option(
            help="Name of a model or a model file; may be repeated. Default: all "
            "packaged models."
        ),
    ] = None,
    size: Annotated[
        int, typer.Option(help="Short side of the results in pixels.")
    ] = 384,
) -> None:
    """Stylize a photo with procedural paintings; needs no data."""
    from PIL import Image, ImageOps  # noqa: PLC0415

    from styleflax.art import FAMILIES, paint  # noqa: PLC0415
    from styleflax.images.files import (  # noqa: PLC0415
        load_image_u8,
        resize_short_side,
        save_image,
    )
    from styleflax.images.grid import image_grid  # noqa: PLC0415
    from styleflax.images.listing import held_out_photo  # noqa: PLC0415
    from styleflax.inference.controls import check_size  # noqa: PLC0415
    from styleflax.inference.stylizer import Stylizer  # noqa: PLC0415
    from styleflax.weights.store import packaged_models  # noqa: PLC0415

    check_size(size)
    check_out_folder(out)
    make_folder(out)
    names = weights or packaged_models()
    stylizers = {Path(name).stem: Stylizer.load(name) for name in names}
    photo = np.asarray(resize_short_side(load_image_u8(held_out_photo()), size))
    save_image(photo, out / "photo.png")
    paintings = {
        name: paint(name, STYLE_SEED + i, STYLE_SIZE_PX)
        for i, name in enumerate(FAMILIES[:NUM_STYLES])
    }
    for name, painting in paintings.items():
        save_image(painting, out / f"painting_{name}.png")
    height, width, _ = photo.shape
    pictures = map(Image.fromarray, paintings.values())
    shown = [np.asarray(ImageOps.fit(x, (width, height))) for x in pictures]
    rows = [[photo, *shown]]
    captions = [["photo", *(name.replace("_", " ") for name in paintings)]]
    for model, stylizer in stylizers.items():
        made = {name: stylizer(photo, paintings[name]) for name in paintings}
        made[MIX] = stylizer(photo, [*paintings.values()])
        for name, result in made.items():
            result.save(out / f"{model}_{name}.png")
        rows.append([made[name].array for name in (MIX, *paintings)])
        captions.append([f"{model}: the four mixed", *[model] * NUM_STYLES])
    save_image(image_grid(rows, captions=captions, cell_px=320), out / "demo.png")
    print(
        f"Wrote {out / 'demo.png'}: a photo in the style of four paintings and of "
        f"their mix, by {' and by '.join(stylizers)}."
    )
