r"""AdaIN with a VGG-16 encoder: runs everywhere, from a laptop's CPU upwards.

    python train.py --config=configs/adain.py --workdir=runs/adain \
        --config.data.content=image_folder:PHOTOS \
        --config.data.style=image_folder:PAINTINGS

The decoder begins as the inverse of the encoder, fitted in minutes, and is trained
from there by the paper's losses, a Gram loss, and identity terms that keep edges
and colors; the next two phases ask for more style, the last two for values that a
picture can have and for smoothness, too. On two CPU cores about two hours, by the
measured time of a step; MODEL_CARD.md has the losses to expect. The packaged `adain` is
the mean of the weights after the last two phases, each a run of its own for that,
as `make weights` has them: `--config=adain:1-4`, then `--config=adain:5` with
`--config.init_from` the file exported from the first. The encoder is that of the
packaged `adain`, a VGG-16 with scaled filters; `--config.encoder.weights=vgg16` scales
torchvision's anew.
"""

import re

from styleflax.config import Config, Data, Phase, Schedule

FIRST = {
    "content": 1.0,
    "style": 1.0,
    "gram": 2.0,
    "identity": 10.0,
    "identity_features": 0.5,
}
SECOND = {**FIRST, "gram": 4.0, "identity": 5.0, "identity_features": 0.25}
MORE = {**SECOND, "style": 2.0, "gram": 8.0}
IN_RANGE = {**MORE, "out_of_range": 2_000.0}
SMOOTH = {**IN_RANGE, "content": 1.5, "total_variation": 25.0}


def get_config(which: str = "1-5") -> Config:
    """Crops of 112 px for 2,320 steps, of ever more style, then of 128 px for 680.

    Phases 6 and 7, which are not among the default, go on with crops of 192 and 256 px,
    in which large flat areas appear: 2.3 and 4 times the time of a step of 128 px.

    Args:
        which: Numbers of the first and the last phase, or of one.

    Raises:
        ValueError: If it reads otherwise.
    """
    asked = re.fullmatch(r"([1-7])(?:-([1-7]))?", which)
    first, last = (int(asked[1]), int(asked[2] or asked[1])) if asked else (1, 0)
    if first > last:
        raise ValueError(f"phases must be as 1-4 or 5, of 1 to 7, got {which!r}")
    phases = (
        _phase(1_200, 112, FIRST, resize_px=320, warmup_steps=50),
        _phase(600, 112, SECOND),
        _phase(520, 112, MORE),
        _phase(420, 128, IN_RANGE),
        _phase(260, 128, SMOOTH, rate=2e-4),
        _phase(400, 192, SMOOTH, rate=1e-4),
        _phase(200, 256, SMOOTH, rate=5e-5),
    )
    return Config(
        decoder="inverse" if first == 1 else "random",
        data=Data(content="sample_photos", style="procedural_art"),
        phases=phases[first - 1 : last],
    )


def _phase(
    steps: int,
    crop_px: int,
    losses: dict[str, float],
    rate: float = 2.5e-4,
    resize_px: int = 352,
    warmup_steps: int = 20,
) -> Phase:
    return Phase(
        steps=steps,
        batch_size=4,
        crop_px=crop_px,
        resize_px=resize_px,
        losses=dict(losses),
        schedule=Schedule("cosine", rate, warmup_steps=warmup_steps),
    )
