r"""AdaIN with a VGG-16 encoder: runs everywhere, from a laptop's CPU upwards.

    python train.py --config=configs/adain.py --workdir=runs/adain \
        --config.data.content=image_folder:PHOTOS \
        --config.data.style=image_folder:PAINTINGS

The decoder begins as the inverse of the encoder, fitted in minutes, and is trained
from there by the paper's losses, a Gram loss, and identity terms that keep edges
and colours; the next two phases ask for more style, the last two for values that a
picture can have and for smoothness, too. On two CPU cores a little under two hours,
by the measured time of a step; see docs/training.md for the losses to expect. The
encoder is that of the packaged `adain`, a VGG-16 with scaled filters;
`--config.encoder.weights=vgg16` scales torchvision's anew.
"""

from styleflax.config import Config, Data, Phase, Schedule

MORE = {
    "content": 1.0,
    "style": 2.0,
    "gram": 8.0,
    "identity": 5.0,
    "identity_features": 0.25,
}


def get_config() -> Config:
    """Crops of 112 px for 2,320 steps, of ever more style, then of 128 px for 680."""
    first = {
        "content": 1.0,
        "style": 1.0,
        "gram": 2.0,
        "identity": 10.0,
        "identity_features": 0.5,
    }
    second = {**MORE, "style": 1.0, "gram": 4.0}
    in_range = {**MORE, "out_of_range": 2_000.0}
    smooth = {**in_range, "content": 1.5, "total_variation": 25.0}
    return Config(
        decoder="inverse",
        data=Data(content="sample_photos", style="procedural_art"),
        phases=(
            _phase(1_200, 112, first, resize_px=320, warmup_steps=50),
            _phase(600, 112, second),
            _phase(520, 112, MORE),
            _phase(420, 128, in_range),
            _phase(260, 128, smooth, rate=2e-4),
        ),
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
        losses=losses,
        schedule=Schedule("cosine", rate, warmup_steps=warmup_steps),
    )
